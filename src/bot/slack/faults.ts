/**
 * Slack's refusals as ours. Sources of the error words: the "Errors" sections of docs.slack.dev/reference/methods (chat.postMessage,
 * chat.update, conversations.open, files.completeUploadExternal, views.update, auth.test).
 */
import { Fault } from '../../core/errors.ts';
import { PlaceGone } from '../../core/ports/chat.ts';

/** The conversation is gone, closed to us, or nobody is there any more. */
const gone = new Set([
  'channel_not_found',
  'is_archived',
  'is_inactive',
  'not_in_channel',
  'account_inactive',
  'user_not_found',
  'user_not_visible',
  'user_disabled',
  'users_not_found',
  'user_not_in_channel',
  'cannot_dm_bot',
  'thread_not_found',
]);
const down = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout', 'team_added_to_org']);
const credentials = new Set([
  'invalid_auth',
  'not_authed',
  'token_revoked',
  'token_expired',
  'org_login_required',
  'not_allowed_token_type',
]);
const refused = new Set([
  'missing_scope',
  'no_permission',
  'restricted_action',
  'ekm_access_denied',
  'access_denied',
  'cant_delete_message',
]);
const absent = new Set([
  'message_not_found',
  'cant_update_message',
  'edit_window_closed',
  'file_not_found',
  'file_deleted',
  'view_not_found',
  'not_found',
]);
/** Nothing was sent: trying again is safe. */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

interface Thrown {
  code?: unknown;
  message?: unknown;
  data?: { error?: unknown; response_metadata?: { messages?: unknown } };
  retryAfter?: unknown;
  statusCode?: unknown;
  original?: unknown;
  cause?: unknown;
}

/** What Slack's clients threw as a Fault or PlaceGone; the method's name goes to the detail only. */
export function slackFault(thrown: unknown, method: string): Fault | PlaceGone {
  if (thrown instanceof Fault || thrown instanceof PlaceGone) return thrown;
  const error: Thrown = typeof thrown === 'object' && thrown !== null ? thrown : { message: String(thrown) };
  const detail = `${method}: ${String(error.message)}`;
  switch (error.code) {
    case 'slack_webapi_rate_limited_error':
      return rateLimited(Number(error.retryAfter), detail);
    case 'slack_webapi_http_error':
      return Number(error.statusCode) >= 500
        ? unreachable(detail, true)
        : new Fault('internal', 'Slack refused what KQueen sent.', { detail, retryable: false });
    case 'slack_webapi_platform_error':
      return platformFault(
        String(error.data?.error),
        `${detail} ${JSON.stringify(error.data?.response_metadata?.messages ?? '')}`,
      );
    case 'slack_webapi_request_error':
      return unreachable(detail, !isNeverSent(error.original));
    default:
      return new Fault('internal', 'Something went wrong while talking to Slack.', { detail, cause: thrown });
  }
}

/** The word Slack refused a call with; null when it was no refusal of Slack's. */
export function refusalWord(thrown: unknown): string | null {
  const error: Thrown = typeof thrown === 'object' && thrown !== null ? thrown : {};
  return error.code === 'slack_webapi_platform_error' ? String(error.data?.error) : null;
}

/**
 * Words that say of a bot token that it will never work again (docs.slack.dev/reference/methods/auth.test). `invalid_auth` is not among them: Slack says
 * it to callers from addresses that are not allowed, too.
 */
export const deadWords: ReadonlySet<string> = new Set(['token_revoked', 'account_inactive']);

/** Slack answered with a word of its own. */
export function platformFault(word: string, detail: string): Fault | PlaceGone {
  if (gone.has(word)) return new PlaceGone(`Slack says ${word}.`);
  if (word === 'ratelimited' || word === 'rate_limited') return rateLimited(Number.NaN, detail);
  if (down.has(word)) return unreachable(detail, true);
  if (credentials.has(word)) {
    const next = 'Check SLACK_BOT_TOKEN and whether the app is still installed.';
    return new Fault('not-allowed', 'Slack does not accept our credentials.', { detail, next, whose: 'kqueen' });
  }
  if (refused.has(word)) {
    const next = 'Check the scopes of the app against manifest.yml and install it again.';
    return new Fault('not-allowed', `Slack does not allow this (${word}).`, { detail, next });
  }
  if (word === 'hash_conflict') return new Fault('conflict', 'The form was changed at the same moment.', { detail });
  if (absent.has(word)) return new Fault('not-found', `It is no longer there (${word}).`, { detail });
  return new Fault('internal', `Slack refused what KQueen sent (${word}).`, { detail, retryable: false });
}

function rateLimited(seconds: number, detail: string): Fault {
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : 30_000;
  return new Fault('rate-limited', 'Slack asks us to slow down.', { retryAfterMs, detail });
}

export function unreachable(detail: string, outcomeUnknown: boolean): Fault {
  return new Fault('unreachable', 'Slack does not answer.', { detail, outcomeUnknown });
}

/** Whether the connection failed before anything was sent, as far as the causes tell. */
export function isNeverSent(thrown: unknown): boolean {
  let error: unknown = thrown;
  for (let depth = 0; depth < 5 && typeof error === 'object' && error !== null; depth += 1) {
    if ('code' in error && neverSent.has(String(error.code))) return true;
    error = 'cause' in error ? error.cause : undefined;
  }
  return false;
}
