/** Teams: one request listener for `POST /api/messages`, and the port through which KQueen writes unasked. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { plainCard } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { ChatPort } from '../../core/ports/chat.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Place } from '../../core/records.ts';
import type { FirstContact } from '../first-contact.ts';
import type { Handle, Inbound, Outbound } from '../inbound.ts';
import { Activity, isExecute, isForUs, isTask, placeOf, readDeed, tenantOf } from './activity.ts';
import { withFormAgain } from './again.ts';
import type { ClickAnswer } from './answer.ts';
import { planDelivery } from './answer.ts';
import type { AppType, Connector, Endpoints, Member } from './connector.ts';
import { appTypes, openConnector, publicCloud, Refused } from './connector.ts';
import type { ConversationStore } from './conversations.ts';
import { openConversations } from './conversations.ts';
import { answerTask, lastPage } from './dialogs.ts';
import { answerExtension, isExtension } from './extensions.ts';
import { HttpRefusal, isLocal, isLoopback, readJson, reply } from './listener.ts';
import { openPeople } from './people.ts';
import type { Publish } from './pictures.ts';
import type { OnCall } from './port.ts';
import { cardDraft, openPort, openPoster, patienceMs } from './port.ts';
import { openRates } from './rates.ts';
import { plainText, renderCard } from './render.ts';
import { isAdded, welcome } from './welcome.ts';

export interface TeamsOptions extends ConversationStore {
  /** Empty turns Microsoft's authentication off, which takes `development` and serves this machine alone. */
  appId: string;
  appPassword: string;
  /** The tenant that is served; in development any word, `local` when empty. */
  tenantId: string;
  /** `SingleTenant` (the default when empty), `MultiTenant` or `UserAssignedMSI`, in any case. */
  appType: string;
  development: boolean;
  /** Other addresses than Microsoft's public cloud. */
  endpoints?: Partial<Endpoints>;
  handle: Handle;
  clock: Clock;
  log: Log;
  onCall?: OnCall;
  /** KQueen's own address, whose links are shown as what they lead to. */
  publicUrl?: string;
  /** Gives a picture that fits into no card an address; without it those are written in letters. */
  publish?: Publish;
  /** Without it nobody is greeted. */
  firstContact?: FirstContact;
  /** Deadline of each call to Microsoft, in milliseconds (default 5,000). */
  timeoutMs?: number;
}

export interface Teams {
  requestListener: RequestListener;
  port: ChatPort;
  /** Takes nothing new and waits for what is being answered, at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const unknownAction = 'This button is not known to KQueen any more; type the command instead.';

/** The public cloud's address for bots that have not been spoken to yet ("Send proactive messages", Microsoft Learn). */
const publicServiceUrl = 'https://smba.trafficmanager.net/teams/';

/** Opens Teams; loads Microsoft's SDK. Throws a Fault for a configuration that must not run. */
export async function openTeams(options: TeamsOptions): Promise<Teams> {
  const { appId, development, clock, log, handle } = options;
  if (appId === '' && !development) {
    throw new Fault('bad-input', 'MicrosoftAppId is empty, which would turn authentication off.', {
      field: 'MicrosoftAppId',
      whose: 'kqueen',
    });
  }
  if (appId !== '' && options.tenantId === '') {
    throw new Fault('bad-input', 'MicrosoftAppTenantId is empty: KQueen serves the people of one tenant.', {
      field: 'MicrosoftAppTenantId',
      whose: 'kqueen',
    });
  }
  const open = appId === '';
  const workspace = options.tenantId || 'local';
  const timeoutMs = options.timeoutMs ?? 5_000;
  const connector: Connector = await openConnector({
    appId,
    appPassword: options.appPassword,
    tenantId: options.tenantId,
    appType: appTypeOf(options.appType),
    endpoints: options.endpoints ? { ...publicCloud, ...options.endpoints } : publicCloud,
    clock,
    timeoutMs,
  });
  const conversations = openConversations({
    saveConversation: options.saveConversation,
    loadConversation: options.loadConversation,
    workspace,
    appId,
    defaultServiceUrl: open ? null : publicServiceUrl,
    log,
  });
  const poster = openPoster({
    workspace,
    connector,
    conversations,
    rates: openRates(clock),
    clock,
    onCall: options.onCall ?? (() => undefined),
  });
  const personOf = openPeople({ workspace, tenantId: options.tenantId, development: open, clock, log });
  const running = new Set<Promise<void>>();
  let stopping = false;

  async function answersOf(inbound: Inbound): Promise<Outbound[]> {
    try {
      return await handle(inbound);
    } catch (error) {
      log.error({ err: error, event: inbound.eventId }, 'a command failed without an answer');
      const text =
        'Something went wrong inside KQueen. Nothing is known to have been changed; look before you try again.';
      return [{ audience: 'caller', card: plainCard('That did not work', text, 'bad') }];
    }
  }

  /** Answers one authentic activity; the click's own answer is given as soon as it is known. */
  async function answer(activity: Activity, member: () => Promise<Member>, respond: (click?: ClickAnswer) => void) {
    const task = isTask(activity);
    const clicked = isExecute(activity) || task;
    const ours = open || tenantOf(activity) === options.tenantId;
    if (isExtension(activity)) {
      const person = await personOf(activity, member);
      const parts = {
        workspace,
        answersOf,
        ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }),
      };
      return respond({ kind: 'body', body: await answerExtension(activity, person, parts) });
    }
    if (ours && isAdded(activity)) return await greet(activity, member, respond);
    if ((activity.type !== 'message' && !clicked) || !isForUs(activity)) {
      if (ours) await conversations.remember(activity, null);
      return respond();
    }
    const deed = readDeed(activity, workspace);
    const person = await personOf(activity, member);
    if (ours) await conversations.remember(activity, person.external === null ? person.id : null);
    if (!deed) {
      if (!clicked && ours) await sendUnknown(placeOf(activity, workspace));
      return respond(task ? { kind: 'body', body: lastPage(unknownAction) } : { kind: 'line', text: unknownAction });
    }
    const inbound: Inbound = { ...deed, person };
    const outbounds = await withFormAgain(inbound, await answersOf(inbound), answersOf);
    if (task) return await answerTask(inbound, outbounds, { poster, log }, (body) => respond({ kind: 'body', body }));
    // The Playground has no dialogs.
    const delivery = planDelivery(inbound, outbounds, poster, log, clicked, {
      offersDialog: !open,
      publish: options.publish,
    });
    // The Playground shows what was said only once it was taken; its answer should not stand above it.
    if (clicked || open) respond(delivery.click);
    await delivery.rest();
    // A message is taken as delivered only when its answer is sent: if we die before, Teams delivers it again.
    respond(delivery.click);
  }

  /** The app was added to somebody's personal chat. */
  async function greet(activity: Activity, member: () => Promise<Member>, respond: () => void): Promise<void> {
    const person = await personOf(activity, member);
    await conversations.remember(activity, person.external === null ? person.id : null);
    respond();
    const { firstContact } = options;
    if (firstContact === undefined) return;
    await welcome(activity, person, { poster, workspace, firstContact }).catch((error: unknown) => {
      log.warn({ err: error }, 'a person could not be greeted in Teams');
    });
  }

  async function sendUnknown(place: Place): Promise<void> {
    const card = plainCard('Unknown button', unknownAction, 'warn');
    await poster
      .post(place, cardDraft(renderCard(card), plainText(card)), patienceMs.answer)
      .catch((error: unknown) => {
        log.warn({ err: error }, 'an answer could not be sent to Teams');
      });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (stopping) throw new HttpRefusal(503, 'KQueen is stopping.');
    if (request.method !== 'POST') throw new HttpRefusal(405, 'Only POST is taken here.');
    if (open && !isLocal(request)) throw new HttpRefusal(403, 'Without MicrosoftAppId only this machine is served.');
    const header = request.headers.authorization ?? '';
    // Without a token there is nothing to read the body for.
    if (!open && !/^Bearer \S+$/.test(header)) throw new HttpRefusal(401, 'Not authenticated.');
    const parsed = Activity.safeParse(await readJson(request, timeoutMs));
    if (!parsed.success) throw new HttpRefusal(400, 'The body is not an activity.');
    const activity = parsed.data;
    // Other channels are authenticated by other rules of the SDK; none of them is wanted.
    if (activity.channelId !== 'msteams') throw new HttpRefusal(403, 'Only Microsoft Teams is served here.');
    const service = new URL(activity.serviceUrl);
    if (open && !isLoopback(service.hostname))
      throw new HttpRefusal(403, 'Without MicrosoftAppId only this machine is served.');
    if (service.protocol !== 'https:' && !isLoopback(service.hostname))
      throw new HttpRefusal(400, 'The service is not on HTTPS.');
    await connector.receive(header, activity, (member) =>
      answer(activity, member, (click) => {
        if (activity.type === 'invoke') reply(response, click ? 200 : 501, click ? clickBody(click) : {});
        else reply(response, 200);
      }),
    );
  }

  const requestListener: RequestListener = (request, response) => {
    const task = serve(request, response)
      .catch((error: unknown) => {
        const { status, text } = refusalOf(error);
        if (status >= 500) log.error({ err: error }, 'a delivery from Teams failed');
        else log.info({ status, why: text, cause: causeOf(error) }, 'a delivery from Teams was refused');
        reply(response, status, { error: text });
      })
      .finally(() => running.delete(task));
    running.add(task);
  };

  return {
    requestListener,
    port: openPort({
      workspace,
      poster,
      conversations,
      connector,
      ...(options.publish ? { publish: options.publish } : {}),
    }),
    async stop(graceMs) {
      stopping = true;
      const grace = new AbortController();
      await Promise.race([
        Promise.allSettled(running),
        clock.sleep(graceMs, grace.signal).catch((error: unknown) => log.debug({ err: error }, 'all answered')),
      ]);
      grace.abort();
    },
  };
}

function appTypeOf(written: string): AppType {
  const found = appTypes.find((each) => each.toLowerCase() === (written.trim().toLowerCase() || 'singletenant'));
  if (found) return found;
  throw new Fault('bad-input', `MicrosoftAppType must be one of ${appTypes.join(', ')}.`, {
    field: 'MicrosoftAppType',
    whose: 'kqueen',
  });
}

/** The body of the answer to a click ("Universal Actions for Adaptive Cards", Microsoft Learn). */
function clickBody(click: ClickAnswer): unknown {
  if (click.kind === 'body') return click.body;
  return click.kind === 'card'
    ? { statusCode: 200, type: 'application/vnd.microsoft.card.adaptive', value: click.card }
    : { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: click.text };
}

/** Status and sentence for anything thrown; only sentences of our own leave the house. */
function refusalOf(error: unknown): { status: number; text: string } {
  if (error instanceof HttpRefusal) return { status: error.status, text: error.message };
  if (error instanceof Refused) {
    return error.status === 401
      ? { status: 401, text: 'Not authenticated.' }
      : { status: 503, text: 'Microsoft cannot be asked for its keys at the moment.' };
  }
  return { status: 500, text: 'Something went wrong.' };
}

/** Why the SDK did not let a request in, for the log. */
function causeOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${cause.name}: ${cause.message}`.slice(0, 300) : undefined;
}
