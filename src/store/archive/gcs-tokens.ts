/** Access tokens for Google: of a service account by its key, or of whatever Google's library finds on this machine. */
import type { gaxios as Gaxios } from 'google-auth-library';
import { type Agent, fetch as fetchThrough } from 'undici';
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { GcsPlace } from './place.ts';

/** Tokens, kept until shortly before their end. */
export interface GoogleTokens {
  get(signal: AbortSignal): Promise<string>;
  /** It was refused: the next `get` has another. */
  drop(token: string): void;
}

const scopes = ['https://www.googleapis.com/auth/cloud-platform'];
const publicTokenUrl = 'https://oauth2.googleapis.com/token';
/** A token is had anew so long before its end, in milliseconds. */
const early = 60_000;

const KeyFile = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(3),
  private_key: z.string().min(1),
  private_key_id: z.string().nullish(),
});

export async function openGoogleTokens(place: GcsPlace, agent: Agent): Promise<GoogleTokens> {
  const { GoogleAuth, JWT, gaxios } = await import('google-auth-library');
  const tokenUrl = place.tokenUrl ?? publicTokenUrl;
  let held: { value: string; until: number } | undefined;
  let asked: Promise<string> | undefined;

  async function fresh(): Promise<{ value: string; until: number }> {
    if (place.key === undefined) {
      const value = await new GoogleAuth({ scopes }).getAccessToken();
      // The library keeps it itself, and has another when it ends.
      return { value: value ?? '', until: Date.now() + early + 1_000 };
    }
    const key = readKey(place.key);
    // The library signs, and would ask Google's public cloud whatever it is told: what it sends is sent on to the address of this place.
    class Courier extends gaxios.Gaxios {
      override async request<T>(options: Gaxios.GaxiosOptions = {}): Gaxios.GaxiosPromise<T> {
        const answer = await fetchThrough(tokenUrl, {
          method: 'POST',
          dispatcher: agent,
          redirect: 'manual',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: String(options.data),
          signal: AbortSignal.timeout(20_000),
        });
        const text = await answer.text();
        if (answer.status !== 200) throw new Error(`${answer.status} ${text.slice(0, 300)}`);
        return { data: JSON.parse(text) } as Gaxios.GaxiosResponse<T>;
      }
    }
    const jwt = new JWT({
      email: key.client_email,
      key: key.private_key.replaceAll('\\n', '\n'),
      scopes,
      ...(key.private_key_id ? { keyId: key.private_key_id } : {}),
      transporter: new Courier(),
    });
    const { access_token: value, expiry_date: until } = await jwt.authorize();
    return { value: value ?? '', until: until ?? 0 };
  }

  return {
    async get() {
      if (held && held.until - early > Date.now()) return held.value;
      asked ??= fresh()
        .then((made) => {
          held = made;
          return made.value;
        })
        .finally(() => {
          asked = undefined;
        });
      return asked;
    },
    drop(token) {
      if (held?.value === token) held = undefined;
    },
  };
}

function readKey(text: string): z.infer<typeof KeyFile> {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    file = undefined;
  }
  const read = KeyFile.safeParse(file);
  if (read.success) return read.data;
  throw new Fault('bad-input', 'KQUEEN_BACKUP_GCS_KEY_FILE is not the key file of a service account.', {
    whose: 'admin',
    next: 'Make one with gcloud iam service-accounts keys create.',
  });
}
