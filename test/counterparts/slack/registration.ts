/**
 * The app as Slack knows it, and its installation by OAuth v2.
 *
 * Contract: docs.slack.dev/authentication/installing-with-oauth (the authorize page takes client_id, scope, state and redirect_uri, and sends the
 * browser back with `code` and `state`, or with `error=access_denied`; a code works once and for ten minutes), …/reference/methods/oauth.v2.access
 * (answer and errors), …/authentication/using-token-rotation (tokens end after twelve hours; a refresh token works once, and the next one comes with
 * the new token), …/reference/methods/apps.uninstall, …/reference/events/app_uninstalled and tokens_revoked.
 *
 * Guessed: that a used code is `code_already_used` (the method's page lists `invalid_code` for all), and `account_inactive` as the word for the token of an
 * uninstalled app, which apps see in practice.
 */
import { randomBytes } from 'node:crypto';
import { APP_ID, BOT_USER, type Core } from './core.ts';
import { textOf } from './json.ts';
import { unlucky, wrong } from './refusal.ts';
import type { Clock, Json } from './types.ts';

const CODE_LIFE_MS = 600_000;

export interface AppSpec {
  clientId: string;
  clientSecret: string;
  /** `redirect_urls` of the manifest. */
  redirectUrls: string[];
  /** Bot scopes of the manifest. */
  scopes: string[];
  /** `token_rotation_enabled` of the manifest. */
  rotates?: boolean;
  /** Life of a rotated token in seconds. */
  expiresIn?: number;
}

/** What a person was asked, and has allowed. */
export interface Consent {
  scopes: string[];
  redirectUri: string;
  userId: string;
  /** Allowed for the whole Enterprise organisation instead of one workspace. */
  wholeOrganisation?: boolean;
}

interface Code extends Consent {
  core: Core;
  at: number;
  used: boolean;
}

export class Registration {
  readonly app: AppSpec;
  readonly #clock: Clock;
  readonly #codes = new Map<string, Code>();
  readonly #refreshes = new Map<string, { core: Core; used: boolean }>();

  constructor(app: AppSpec, clock: Clock) {
    this.app = app;
    this.#clock = clock;
  }

  /** What is wrong with a request for the authorize page, in its words; null when it may be shown. */
  complaint(asked: URLSearchParams): string | null {
    if (asked.get('client_id') !== this.app.clientId) return 'Invalid client_id parameter';
    const scopes = (asked.get('scope') ?? '').split(',').filter((each) => each !== '');
    if (scopes.length === 0) return 'No scopes requested';
    const strange = scopes.filter((each) => !this.app.scopes.includes(each));
    if (strange.length > 0) return `Invalid permissions requested: ${strange.join(', ')}`;
    if (!this.app.redirectUrls.includes(asked.get('redirect_uri') ?? '')) {
      return `redirect_uri did not match any configured URIs. Passed URI: ${asked.get('redirect_uri')}`;
    }
    return null;
  }

  /** The code for what a person has allowed. */
  allow(core: Core, consent: Consent): string {
    const code = `${randomBytes(6).readUIntBE(0, 6)}.${randomBytes(24).toString('hex')}`;
    this.#codes.set(code, { ...consent, core, at: this.#clock.now(), used: false });
    return code;
  }

  /** oauth.v2.access. */
  access(args: Json): Json {
    this.#identify(args);
    const grant = textOf(args.grant_type) || 'authorization_code';
    if (grant === 'refresh_token') return this.#refresh(textOf(args.refresh_token));
    if (grant !== 'authorization_code') throw wrong('invalid_grant_type');
    const code = this.#codes.get(textOf(args.code));
    if (code === undefined || this.#clock.now() - code.at > CODE_LIFE_MS) throw unlucky('invalid_code');
    if (code.used) throw wrong('code_already_used');
    if (code.redirectUri !== textOf(args.redirect_uri)) throw wrong('bad_redirect_uri');
    code.used = true;
    const { core, scopes, userId } = code;
    if (code.wholeOrganisation === true) {
      return { ...this.#token(core, scopes), ...answered(core, userId), ...organisation };
    }
    return { ...this.#token(core, scopes), ...answered(core, userId) };
  }

  /** apps.uninstall; the events follow when the tokens are dead. */
  uninstall(core: Core, args: Json): void {
    this.#identify(args);
    this.revoke(core, 'account_inactive');
  }

  /** Makes the workspace's token useless: from now on calls with it are refused with `word`. */
  revoke(core: Core, word: string): void {
    const { botToken } = core.options;
    if (botToken !== '') core.deadTokens.set(botToken, word);
    core.options.botToken = '';
    for (const refresh of this.#refreshes.values()) if (refresh.core === core) refresh.used = true;
  }

  #identify(args: Json): void {
    if (textOf(args.client_id) !== this.app.clientId) throw unlucky('invalid_client_id');
    if (textOf(args.client_secret) !== this.app.clientSecret) throw unlucky('bad_client_secret');
  }

  #refresh(token: string): Json {
    const known = this.#refreshes.get(token);
    if (known === undefined || known.used) throw wrong('invalid_refresh_token');
    known.used = true;
    return { ...this.#token(known.core, known.core.options.scopes ?? []), ...answered(known.core, '') };
  }

  /** A new token of a workspace, in place of the one before; with rotation that one has ended. */
  #token(core: Core, scopes: string[]): Json {
    const secret = randomBytes(12).toString('hex');
    core.options.scopes = scopes;
    if (core.options.botToken !== '') {
      core.deadTokens.set(core.options.botToken, this.app.rotates === true ? 'token_expired' : 'token_revoked');
    }
    if (this.app.rotates !== true) {
      core.options.botToken = `xoxb-${core.team}-${secret}`;
      return { access_token: core.options.botToken, scope: scopes.join(',') };
    }
    core.options.botToken = `xoxe.xoxb-1-${core.team}-${secret}`;
    const refresh = `xoxe-1-${randomBytes(12).toString('hex')}`;
    this.#refreshes.set(refresh, { core, used: false });
    return {
      access_token: core.options.botToken,
      refresh_token: refresh,
      expires_in: this.app.expiresIn ?? 43_200,
      scope: scopes.join(','),
    };
  }
}

const organisation = { team: null, enterprise: { id: 'E1', name: 'Loopback Holding' }, is_enterprise_install: true };

function answered(core: Core, userId: string): Json {
  return {
    token_type: 'bot',
    bot_user_id: BOT_USER,
    app_id: APP_ID,
    team: { id: core.team, name: core.options.name ?? 'Loopback' },
    enterprise: null,
    is_enterprise_install: false,
    authed_user: { id: userId },
  };
}
