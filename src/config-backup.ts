/** The settings of the place for backups, which belong together. */
import type { OptionName, Values } from './config-options.ts';
import type { ArchivePlace } from './store/archive/index.ts';

/** What the reader of the configuration lends for it. */
export interface BackupReader {
  wrong(name: OptionName, message: string): void;
  /** Whether a variable has a value, be it a good one or not. */
  isSet(name: OptionName): boolean;
  /** The text of a file; undefined when it cannot be read, which is said. */
  read(name: OptionName, path: string): string | undefined;
}

const ownNames = {
  s3: ['KQUEEN_BACKUP_S3_KEY_ID', 'KQUEEN_BACKUP_S3_SECRET'],
  gcs: ['KQUEEN_BACKUP_GCS_KEY_FILE'],
  azure: ['KQUEEN_BACKUP_AZURE_KEY'],
  dir: [],
} as const satisfies Record<ArchivePlace['kind'], readonly OptionName[]>;

const schemes = { s3: 's3://', gcs: 'gs://', azure: 'azure://', dir: 'dir://' } as const;

/** The place with its credentials; undefined: the default. What does not fit together is told. */
export function readBackups(values: Values, reader: BackupReader): ArchivePlace | undefined {
  const place = values.KQUEEN_BACKUP_URL;
  if (place === undefined && reader.isSet('KQUEEN_BACKUP_URL')) return undefined;
  const kind = place?.kind ?? 'dir';
  for (const [other, names] of Object.entries(ownNames) as [ArchivePlace['kind'], readonly OptionName[]][]) {
    if (other === kind) continue;
    for (const name of names) {
      if (reader.isSet(name)) reader.wrong(name, `needs KQUEEN_BACKUP_URL to begin with ${schemes[other]}`);
    }
  }
  if (kind === 'dir' && reader.isSet('KQUEEN_BACKUP_CA_FILE'))
    reader.wrong('KQUEEN_BACKUP_CA_FILE', 'needs KQUEEN_BACKUP_URL to be an object store');
  const [id, secret] = ownNames.s3;
  if (reader.isSet(id) !== reader.isSet(secret)) {
    const lacking = reader.isSet(id) ? secret : id;
    reader.wrong(lacking, `must be set together with ${reader.isSet(id) ? id : secret}`);
  }
  if (place === undefined) return undefined;
  if (place.kind === 'dir') return place;
  const ca = readAuthority(values, reader);
  const trusted = ca === undefined ? {} : { ca };
  if (place.kind === 's3') {
    const { KQUEEN_BACKUP_S3_KEY_ID: keyId, KQUEEN_BACKUP_S3_SECRET: keySecret } = values;
    const key = keyId !== undefined && keySecret !== undefined ? { key: { id: keyId, secret: keySecret } } : {};
    return { ...place, ...trusted, ...key };
  }
  if (place.kind === 'azure') {
    const key = values.KQUEEN_BACKUP_AZURE_KEY;
    return { ...place, ...trusted, ...(key === undefined ? {} : { key }) };
  }
  const path = values.KQUEEN_BACKUP_GCS_KEY_FILE;
  const key = path === undefined ? undefined : reader.read('KQUEEN_BACKUP_GCS_KEY_FILE', path);
  if (key !== undefined && !/"type"\s*:\s*"service_account"/.test(key))
    reader.wrong('KQUEEN_BACKUP_GCS_KEY_FILE', 'is not the key file of a service account');
  return { ...place, ...trusted, ...(key === undefined ? {} : { key }) };
}

function readAuthority(values: Values, reader: BackupReader): string | undefined {
  const path = values.KQUEEN_BACKUP_CA_FILE;
  const text = path === undefined ? undefined : reader.read('KQUEEN_BACKUP_CA_FILE', path);
  if (text !== undefined && !/-----BEGIN CERTIFICATE-----/.test(text))
    reader.wrong('KQUEEN_BACKUP_CA_FILE', 'holds no certificate in PEM form');
  return text;
}
