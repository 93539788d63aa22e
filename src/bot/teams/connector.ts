/**
 * Microsoft's SDK (botbuilder's CloudAdapter), kept to this file: it authenticates what comes in and carries what goes out.
 * Everything it throws becomes a Fault, PlaceGone or Refused here, and no message of its own leaves this file but as a log detail.
 */
import type { Activity as BotActivity, ConversationReference, TeamsChannelAccount, TurnContext } from 'botbuilder';
import { Fault } from '../../core/errors.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Activity } from './activity.ts';
import { openTokens } from './token.ts';

/** Other addresses than Microsoft's public cloud: sovereign clouds, and servers of the tests. */
export interface Endpoints {
  /** OpenID metadata of those who sign what comes in. */
  openIdMetadataUrl: string;
  /** Issuer of the tokens that come in. */
  issuer: string;
  /** Entra ID, without the tenant. */
  loginUrl: string;
  /** Scope of the tokens that go out. */
  scope: string;
}

/** Microsoft's public cloud ("Bot Connector authentication", Microsoft Learn). */
export const publicCloud: Endpoints = {
  openIdMetadataUrl: 'https://login.botframework.com/v1/.well-known/openidconfiguration',
  issuer: 'https://api.botframework.com',
  loginUrl: 'https://login.microsoftonline.com',
  scope: 'https://api.botframework.com',
};

/** How Azure knows the bot. */
export const appTypes = ['SingleTenant', 'MultiTenant', 'UserAssignedMSI'] as const;
export type AppType = (typeof appTypes)[number];

export interface ConnectorOptions {
  appId: string;
  appPassword: string;
  tenantId: string;
  appType: AppType;
  endpoints: Endpoints;
  clock: Clock;
  /** Deadline of a call to Microsoft, in milliseconds. */
  timeoutMs: number;
}

/** A request that is not let in; the status is the whole answer. */
export class Refused extends Error {
  readonly status: 401 | 503;

  constructor(status: 401 | 503, cause: unknown) {
    super(status === 401 ? 'not authenticated' : 'the keys of Microsoft are out of reach', { cause });
    this.name = 'Refused';
    this.status = status;
  }
}

/** A conversation as Microsoft addresses it; plain JSON, kept in the store. */
export interface Reference {
  serviceUrl: string;
  channelId: string;
  bot: { id: string; name?: string };
  conversation: { id: string; conversationType?: string; tenantId?: string; isGroup?: boolean };
}

/** A message to send: what of an activity is ours to set. */
export type Draft = Pick<Partial<BotActivity>, 'type' | 'text' | 'summary' | 'attachments' | 'entities' | 'textFormat'>;

/** How a member of a conversation is known to its roster. */
export type Member = Pick<TeamsChannelAccount, 'userRole' | 'email' | 'userPrincipalName' | 'tenantId' | 'aadObjectId'>;

export interface Connector {
  /** Runs `logic` when the request is authentic; throws Refused otherwise. `member` looks the sender up in the roster. */
  receive(header: string, activity: Activity, logic: (member: () => Promise<Member>) => Promise<void>): Promise<void>;
  /** Sends to the conversation (and thread) of the reference; returns the message's id. */
  send(reference: Reference, draft: Draft): Promise<string>;
  update(reference: Reference, id: string, draft: Draft): Promise<void>;
  remove(reference: Reference, id: string): Promise<void>;
  /** Opens the personal conversation with a member of the tenant; returns its id. */
  createPersonal(serviceUrl: string, user: string, tenantId: string): Promise<string>;
  /** Resolves when Microsoft accepts our credentials. */
  ready(): Promise<void>;
}

interface Pipeline {
  removePolicy(which: { name: string }): unknown;
  addPolicy(policy: {
    name: string;
    sendRequest(
      request: { timeout: number },
      next: (request: { timeout: number }) => Promise<unknown>,
    ): Promise<unknown>;
  }): void;
}

/** Loads the SDK (about half a second and 80 MB) and opens it. */
export async function openConnector(options: ConnectorOptions): Promise<Connector> {
  const sdk = await import('botbuilder');
  const { appId, tenantId, endpoints, timeoutMs } = options;
  const tokens = openTokens({
    loginUrl: `${endpoints.loginUrl}/${options.appType === 'MultiTenant' ? 'botframework.com' : tenantId}`,
    scope: endpoints.scope,
    appId,
    appPassword: options.appPassword,
    clock: options.clock,
    timeoutMs,
  });
  const ownCredentials = {
    isValidAppId: async (id: string) => id === appId,
    isAuthenticationDisabled: async () => appId === '',
    createCredentials: async () => ({
      signRequest: async <R extends { headers: { set(name: string, value: string): unknown } }>(request: R) => {
        if (appId !== '') request.headers.set('authorization', `Bearer ${await tokens()}`);
        return request;
      },
    }),
  };
  const credentials =
    options.appType === 'UserAssignedMSI'
      ? new sdk.ConfigurationServiceClientCredentialFactory({
          MicrosoftAppId: appId,
          MicrosoftAppTenantId: tenantId,
          MicrosoftAppType: options.appType,
        })
      : ownCredentials;

  class Authentication extends sdk.ConfigurationBotFrameworkAuthentication {
    override async authenticateRequest(activity: BotActivity, header: string) {
      const asked = super.authenticateRequest(activity, header);
      const result = await inTime(asked, timeoutMs).catch((error: unknown) => {
        throw new Refused(isOutOfReach(error) ? 503 : 401, error);
      });
      return { ...result, ...(result.connectorFactory ? { connectorFactory: tuned(result.connectorFactory) } : {}) };
    }

    override createConnectorFactory(
      identity: Parameters<
        InstanceType<typeof sdk.ConfigurationBotFrameworkAuthentication>['createConnectorFactory']
      >[0],
    ) {
      return tuned(super.createConnectorFactory(identity));
    }
  }

  class Adapter extends sdk.CloudAdapter {
    take(header: string, activity: BotActivity, logic: (context: TurnContext) => Promise<void>) {
      return this.processActivity(header, activity, logic);
    }
  }

  /** Calls have a deadline and are not repeated below us: a repeated POST would be a second message. */
  function tuned<F extends { create(serviceUrl: string, audience?: string): Promise<unknown> }>(factory: F): F {
    const create = factory.create.bind(factory);
    factory.create = async (serviceUrl: string, audience?: string) => {
      const client = await create(serviceUrl, audience);
      const { pipeline } = (client as { client: { pipeline: Pipeline } }).client;
      pipeline.removePolicy({ name: 'defaultRetryPolicy' });
      pipeline.addPolicy({
        name: 'deadline',
        sendRequest(request, next) {
          request.timeout = timeoutMs;
          return next(request);
        },
      });
      return client;
    };
    return factory;
  }

  const { openIdMetadataUrl, issuer, loginUrl, scope } = endpoints;
  const adapter = new Adapter(
    new Authentication(
      {
        MicrosoftAppId: appId,
        MicrosoftAppTenantId: tenantId,
        MicrosoftAppType: options.appType,
        ...(endpoints === publicCloud
          ? {}
          : {
              ToBotFromChannelOpenIdMetadataUrl: openIdMetadataUrl,
              ToBotFromEmulatorOpenIdMetadataUrl: openIdMetadataUrl,
              ToBotFromChannelTokenIssuer: issuer,
              ToChannelFromBotLoginUrl: `${loginUrl}/${tenantId}`,
              ToChannelFromBotOAuthScope: scope,
              OAuthUrl: `${loginUrl}/oauth`,
            }),
      },
      credentials,
    ),
  );

  /** Runs a call in a context of the conversation. */
  async function within<T>(reference: Reference, call: (context: TurnContext) => Promise<T>): Promise<T> {
    const answers: T[] = [];
    const turn = adapter.continueConversationAsync(appId, reference as ConversationReference, async (context) => {
      answers.push(await call(context));
    });
    // Twice the deadline of one request: a token may have to be fetched first.
    await inTime(turn, 2 * timeoutMs).catch((error: unknown) => {
      throw outgoingFault(error);
    });
    return answers[0] as T;
  }

  return {
    async receive(header, activity, logic) {
      await adapter.take(header, activity as unknown as BotActivity, (context) =>
        logic(async () => {
          const found = inTime(sdk.TeamsInfo.getMember(context, activity.from.id), 2 * timeoutMs);
          return found.catch((error: unknown) => {
            throw outgoingFault(error);
          });
        }),
      );
    },
    async send(reference, draft) {
      const [answer] = await within(reference, (context) => {
        const message = sdk.TurnContext.applyConversationReference(
          { ...draft },
          sdk.TurnContext.getConversationReference(context.activity),
        );
        // The SDK would reply to the made-up activity that a proactive turn starts with; this is a message of its own.
        delete message.replyToId;
        return adapter.sendActivities(context, [message]);
      });
      return answer?.id ?? '';
    },
    async update(reference, id, draft) {
      await within(reference, (context) => context.updateActivity({ ...draft, id }));
    },
    async remove(reference, id) {
      await within(reference, (context) => context.deleteActivity(id));
    },
    async createPersonal(serviceUrl, user, tenant) {
      let id = '';
      const created = adapter.createConversationAsync(
        appId,
        'msteams',
        serviceUrl,
        scope,
        {
          isGroup: false,
          bot: { id: `28:${appId}`, name: 'KQueen' },
          members: [{ id: user, name: '' }],
          tenantId: tenant,
          channelData: { tenant: { id: tenant } },
        } as unknown as Parameters<typeof adapter.createConversationAsync>[4],
        async (context) => {
          id = context.activity.conversation.id;
        },
      );
      await inTime(created, 2 * timeoutMs).catch((error: unknown) => {
        throw outgoingFault(error);
      });
      return id;
    },
    async ready() {
      if (appId !== '' && options.appType !== 'UserAssignedMSI') await tokens();
    },
  };
}

class Late extends Error {}

/** The promise's value, or Late after `ms`; what comes after that is not waited for. */
async function inTime<T>(promise: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Late(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The keys could not be fetched: node-fetch's own error, the SDK's 500, or no answer in time. */
function isOutOfReach(error: unknown): boolean {
  if (error instanceof Late) return true;
  const { name, statusCode } = error as { name?: string; statusCode?: number };
  return name === 'FetchError' || statusCode === 500;
}

interface RestError {
  statusCode?: number;
  code?: string;
  message?: string;
  response?: { headers?: { get(name: string): string | undefined } };
  details?: { error?: { code?: string } };
}

/** Any failed call to Microsoft as a Fault or PlaceGone. */
function outgoingFault(error: unknown): Error {
  if (error instanceof Fault || error instanceof PlaceGone) return error;
  const { statusCode, code: outer, message, response, details } = error as RestError;
  const code = details?.error?.code ?? outer ?? '';
  const detail = `${statusCode ?? ''} ${code} ${message ?? ''}`.trim().slice(0, 500);
  // Not the error itself: it holds the request, and with it our access token.
  const shared = { detail };
  switch (statusCode) {
    case 401:
      return new Fault('not-allowed', 'Teams did not accept the credentials of the bot.', {
        ...shared,
        whose: 'kqueen',
        next: 'Check MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId.',
      });
    case 403:
    case 404:
      if (/^(Activity|Message)/i.test(code)) {
        return new Fault('not-found', 'The message is no longer in Teams.', shared);
      }
      return new PlaceGone(
        `Teams does not let the bot into the conversation (${statusCode}${code ? ` ${code}` : ''}).`,
      );
    case 412:
    case 429: {
      const seconds = Number(response?.headers?.get('retry-after') ?? Number.NaN);
      const retryAfterMs = Number.isFinite(seconds) ? Math.max(1_000, seconds * 1_000) : 5_000;
      return new Fault('rate-limited', 'Teams asks us to slow down.', { ...shared, retryAfterMs });
    }
    case 501:
      return new Fault('unsupported', 'This Teams client cannot do that.', shared);
    case undefined: {
      const never = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'CERT_HAS_EXPIRED'].includes(outer ?? '');
      return new Fault('unreachable', 'Teams could not be reached.', { ...shared, outcomeUnknown: !never });
    }
    default:
      if (statusCode >= 500) {
        return new Fault('unreachable', `Teams answered ${statusCode}.`, {
          ...shared,
          outcomeUnknown: statusCode !== 503,
        });
      }
      return new Fault('internal', `Teams refused the message (${statusCode}).`, { ...shared, retryable: false });
  }
}
