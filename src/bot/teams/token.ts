/** The bot's own access token: OAuth 2.0 client credentials at Microsoft Entra ID, as "Bot Connector authentication" describes. */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';

const Answer = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().positive() });
const Refusal = z.object({ error: z.string(), error_codes: z.array(z.number()).optional() });

export interface TokenOptions {
  /** Such as `https://login.microsoftonline.com/<tenant>`. */
  loginUrl: string;
  /** Such as `https://api.botframework.com`. */
  scope: string;
  appId: string;
  appPassword: string;
  clock: Clock;
  /** Deadline of one request, in milliseconds. */
  timeoutMs: number;
}

/** A token that is good for five minutes at least; asked for once at a time. Throws Faults without the secret in them. */
export function openTokens(options: TokenOptions): () => Promise<string> {
  let kept: { token: string; until: number } | undefined;
  let asking: Promise<string> | undefined;

  const ask = async (): Promise<string> => {
    const response = await fetch(`${options.loginUrl.replace(/\/+$/, '')}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: options.appId,
        client_secret: options.appPassword,
        scope: `${options.scope}/.default`,
      }),
      signal: AbortSignal.timeout(options.timeoutMs),
      redirect: 'error',
    }).catch((error: unknown) => {
      throw new Fault('unreachable', 'Microsoft Entra ID could not be reached for a token.', { cause: error });
    });
    const body: unknown = await response.json().catch(() => null);
    const answer = Answer.safeParse(body);
    if (response.ok && answer.success) {
      kept = {
        token: answer.data.access_token,
        until: options.clock.now() + Math.max(answer.data.expires_in - 300, 30) * 1_000,
      };
      return kept.token;
    }
    if (response.status === 429 || response.status >= 500) {
      throw new Fault('unreachable', `Microsoft Entra ID answered ${response.status} to the request for a token.`);
    }
    const refusal = Refusal.safeParse(body).data;
    throw new Fault('not-allowed', 'Microsoft Entra ID did not accept the credentials of the bot.', {
      whose: 'kqueen',
      next: 'Check MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId.',
      detail: [response.status, refusal?.error, ...(refusal?.error_codes ?? [])].join(' '),
    });
  };

  return async () => {
    if (kept && kept.until > options.clock.now()) return kept.token;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
