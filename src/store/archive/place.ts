/** Where backups are kept, as it is configured: one address, read here and nowhere else. */

/** A directory of this machine, or of a volume that all processes share. */
export interface DirectoryPlace {
  kind: 'dir';
  /** An absolute path. */
  path: string;
}

/** Amazon S3, or a server that speaks its API. */
export interface S3Place {
  kind: 's3';
  bucket: string;
  /** Begins every key, without slashes at its ends; '' for none. */
  prefix: string;
  region?: string;
  endpoint?: string;
  /** The bucket in the path of addresses, not in the host's name: what most servers but Amazon's want. */
  pathStyle: boolean;
  /** Absent: what the SDK finds by itself (variables, profile, the role of the machine or of the service account). */
  key?: { id: string; secret: string };
  /** PEM. */
  ca?: string;
}

/** Google Cloud Storage. */
export interface GcsPlace {
  kind: 'gcs';
  bucket: string;
  prefix: string;
  endpoint?: string;
  /** Where access tokens are had, for other clouds of Google's. */
  tokenUrl?: string;
  /** The key file of a service account, JSON. Absent: application default credentials. */
  key?: string;
  ca?: string;
}

/** Azure Blob Storage. */
export interface AzurePlace {
  kind: 'azure';
  account: string;
  container: string;
  prefix: string;
  /** The address of the blob service; absent: the account's in Azure's public cloud. */
  endpoint?: string;
  /** The account's key, or a token of a shared access signature. Absent: what Azure's SDK finds by itself. */
  key?: string;
  ca?: string;
}

export type ArchivePlace = DirectoryPlace | S3Place | GcsPlace | AzurePlace;

/** What an address of a place has to look like. */
export const placeForms =
  '`dir:///path`, `s3://bucket/prefix?region=…&endpoint=…`, `gs://bucket/prefix` or `azure://account/container/prefix`';

/** What may be written behind the question mark, by kind. */
const extras: Record<Exclude<ArchivePlace['kind'], 'dir'>, readonly string[]> = {
  s3: ['region', 'endpoint', 'style'],
  gcs: ['endpoint', 'token'],
  azure: ['endpoint'],
};

const bucketForm = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/;
const accountForm = /^[a-z0-9]{3,24}$/;
const containerForm = /^(?:[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]|\$root)$/;
const part = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;

/** The place that an address names; a text says in words what is wrong with it. Credentials have settings of their own. */
export function readPlace(text: string): ArchivePlace | string {
  if (!URL.canParse(text)) return 'it is no address';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'credentials have variables of their own';
  if (url.hash !== '') return 'it must not hold a fragment';
  let names: string[];
  try {
    names = decodeURIComponent(url.pathname).split('/').filter(Boolean);
  } catch {
    return 'its path cannot be read';
  }
  if (url.protocol === 'dir:' || url.protocol === 'file:') {
    if (url.host !== '' || !url.pathname.startsWith('/'))
      return 'a directory is written with three slashes: dir:///path';
    if (url.search !== '') return 'a directory takes nothing behind a question mark';
    if (names.length === 0) return 'the root of this machine is no place for backups';
    return { kind: 'dir', path: `/${names.join('/')}` };
  }
  const kind = ({ 's3:': 's3', 'gs:': 'gcs', 'azure:': 'azure' } as const)[url.protocol];
  if (kind === undefined) return 'it begins otherwise';
  const more = Object.fromEntries(url.searchParams);
  const strange = [...url.searchParams.keys()].find((each) => !extras[kind].includes(each));
  if (strange !== undefined) return `behind its question mark may stand ${extras[kind].join(', ')}`;
  for (const name of ['endpoint', 'token'] as const) {
    const wrong = more[name] === undefined ? null : wrongAddress(more[name], name);
    if (wrong) return wrong;
  }
  const wrongPrefix = (prefix: string[]) =>
    prefix.every((each) => part.test(each)) && prefix.join('/').length <= 200
      ? null
      : 'its prefix may hold letters, digits, dots, dashes and slashes, at most 200';
  const endpoint = more.endpoint === undefined ? {} : { endpoint: more.endpoint.replace(/\/+$/, '') };
  if (kind === 'azure') {
    const [container = '', ...prefix] = names;
    if (!accountForm.test(url.host)) return 'it names no storage account (3 to 24 small letters and digits)';
    if (!containerForm.test(container)) return 'it names no container after the account';
    return wrongPrefix(prefix) ?? { kind, account: url.host, container, prefix: prefix.join('/'), ...endpoint };
  }
  if (!bucketForm.test(url.host)) return 'it names no bucket (3 to 63 small letters, digits, dots and dashes)';
  const wrong = wrongPrefix(names);
  if (wrong) return wrong;
  const place = { bucket: url.host, prefix: names.join('/'), ...endpoint };
  if (kind === 'gcs') return { kind, ...place, ...(more.token === undefined ? {} : { tokenUrl: more.token }) };
  if (more.style !== undefined && more.style !== 'path' && more.style !== 'host') return 'its style is path or host';
  if (more.region !== undefined && !/^[a-z0-9-]{1,40}$/.test(more.region)) return 'its region is none';
  return {
    kind,
    ...place,
    ...(more.region === undefined ? {} : { region: more.region }),
    // Names of buckets in front of a host of one's own need DNS and certificates that few have.
    pathStyle: more.style === undefined ? more.endpoint !== undefined : more.style === 'path',
  };
}

function wrongAddress(text: string, name: string): string | null {
  if (!URL.canParse(text)) return `its ${name} is no address`;
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `its ${name} begins with https://`;
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return `its ${name} holds more than a host and a path`;
  return null;
}

/** The place for people: in a message, without secrets. */
export function placeWords(place: ArchivePlace): string {
  switch (place.kind) {
    case 'dir':
      return `the directory ${place.path}`;
    case 's3':
      return `the bucket ${under(place.bucket, place.prefix)} at ${place.endpoint ?? 'Amazon S3'}`;
    case 'gcs':
      return `the bucket ${under(place.bucket, place.prefix)} at ${place.endpoint ?? 'Google Cloud Storage'}`;
    case 'azure':
      return `the container ${under(place.container, place.prefix)} at ${place.endpoint ?? `${place.account}.blob.core.windows.net`}`;
  }
}

function under(name: string, prefix: string): string {
  return prefix === '' ? name : `${name}/${prefix}`;
}
