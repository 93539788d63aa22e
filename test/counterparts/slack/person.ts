/**
 * A person in front of Slack: types commands and messages, clicks, fills forms, and sees what Slack would show.
 *
 * Contract: docs.slack.dev/surfaces/modals (answers to view_submission: nothing closes the view; `errors`, `update`, `push`,
 * `clear`), docs.slack.dev/interactivity/implementing-slash-commands (a body in the acknowledgement is shown to the person,
 * or to the channel with `response_type: in_channel`; commands cannot be used in threads).
 */
import { randomBytes } from 'node:crypto';
import { respond } from './chat-methods.ts';
import { BOT_USER, type Core } from './core.ts';
import type { Dispatch } from './dispatch.ts';
import { type ChosenFile, clientErrors, entryFor, type FieldValue, findField, isChosenFile } from './fields.ts';
import { isObject, objectOf, objectsOf, textOf } from './json.ts';
import { typed } from './mrkdwn.ts';
import * as payloads from './payloads.ts';
import { Refusal } from './refusal.ts';
import { type Button, findButton, type Wanted } from './screen.ts';
import type { Delivery, Json, Message, View } from './types.ts';
import { STACK_LIMIT } from './views.ts';

/** What became of a slash command. */
export interface CommandOutcome extends Delivery {
  triggerId: string;
  responseUrl: string;
  /** Messages made by the acknowledgement or through the response URL, so far. */
  shown(): Message[];
}

/** What became of a submitted form. */
export interface SubmitOutcome extends Delivery {
  /** Block id → complaint, by the app or by Slack's client. */
  errors: Record<string, string>;
}

export class Person {
  readonly id: string;
  readonly #core: Core;
  readonly #dispatch: Dispatch;
  readonly #typed = new Map<string, View['values']>();

  constructor(core: Core, dispatch: Dispatch, id: string) {
    core.world.user(id);
    this.id = id;
    this.#core = core;
    this.#dispatch = dispatch;
  }

  /** The modal in front of the person. */
  get view(): View | undefined {
    return this.stack.at(-1);
  }

  /** The open modals, the visible one last. */
  get stack(): View[] {
    return this.#core.views.stack(this.id);
  }

  /** The direct conversation with the app. */
  get dm(): string {
    return this.#core.world.direct(this.id).id;
  }

  /** Types a slash command; it cannot be typed in a thread. */
  async command(command: string, text = '', { channel }: { channel?: string } = {}): Promise<CommandOutcome> {
    const where = this.#core.world.channels.get(channel ?? this.dm);
    if (where === undefined) throw new Error(`no channel ${channel}`);
    const sent = this.#core.options.shouldEscape === true ? typed(text, this.#core.world, true) : text;
    const payload = payloads.commandFields(this.#core, this.id, where, command, sent);
    const delivery = await this.#dispatch.send('command', payload);
    const responseUrl = textOf(payload.response_url);
    const via = responseUrl.slice(responseUrl.lastIndexOf('/') + 1);
    if (delivery.status === 200 && delivery.ack !== '') this.#showAck(via, where.id, delivery);
    const shown = () => this.#core.world.messages.filter((each) => each.via === via && !each.deleted);
    return { ...delivery, triggerId: textOf(payload.trigger_id), responseUrl, shown };
  }

  /** Writes to a channel; the app hears of it if it is a member and subscribed. */
  async say(channel: string, text: string, options: { thread?: string; raw?: boolean } = {}): Promise<Delivery[]> {
    return await this.#write(channel, text, options, false);
  }

  /** Writes `@kqueen text` to a channel. */
  async mention(channel: string, text: string, options: { thread?: string; raw?: boolean } = {}): Promise<Delivery> {
    const deliveries = await this.#write(channel, text, options, true);
    const delivery = deliveries.find(({ payload }) => objectOf(payload.event).type === 'app_mention');
    if (delivery === undefined) throw new Error(`the app hears no mentions in ${channel}`);
    return delivery;
  }

  /** Writes to the app directly. */
  async direct(text: string, options: { thread?: string; raw?: boolean } = {}): Promise<Delivery> {
    const [delivery] = await this.#write(this.dm, text, options, false);
    if (delivery === undefined) throw new Error('the app is not subscribed to message.im');
    return delivery;
  }

  /** Opens one of the app's tabs: its home, or the direct conversation. */
  async openHome(tab: 'home' | 'messages' = 'home'): Promise<Delivery> {
    const event = { type: 'app_home_opened', user: this.id, channel: this.dm, tab };
    return await this.#dispatch.send('event', payloads.eventEnvelope(this.#core, event));
  }

  /** Chooses a global shortcut. */
  async shortcut(callbackId: string): Promise<Delivery> {
    return await this.#dispatch.send('interactive', payloads.globalShortcut(this.#core, this.id, callbackId));
  }

  /** Chooses a shortcut of a message. */
  async messageShortcut(message: Message, callbackId: string): Promise<Delivery> {
    this.#mustSee(message);
    const payload = payloads.messageShortcut(this.#core, this.id, callbackId, message);
    return await this.#dispatch.send('interactive', payload);
  }

  /** Clicks a button (or an overflow option) of a message; a confirmation dialog is confirmed. */
  async click(message: Message, wanted: Wanted): Promise<Delivery> {
    this.#mustSee(message);
    const content = message.revisions.at(wanted.revision ?? -1);
    const button = findButton(content?.blocks ?? [], wanted);
    const values = this.#typed.get(message.ts) ?? {};
    const payload = payloads.messageAction(this.#core, this.id, message, actionOf(button), values);
    return await this.#dispatch.send('interactive', payload);
  }

  /** The same in a modal or in the home tab. */
  async clickIn(view: View, wanted: Wanted): Promise<Delivery> {
    const button = findButton(view.blocks, wanted);
    return await this.#dispatch.send('interactive', payloads.viewAction(this.#core, view, actionOf(button)));
  }

  /**
   * Chooses or types something. In an input block without `dispatch_action` nothing is sent and the result is undefined.
   * `field` is a block_id, an action_id or a label.
   */
  async select(target: Message | View, field: string, value: FieldValue): Promise<Delivery | undefined> {
    const { block, element } = findField(target.blocks, field);
    const offered = textOf(element.type).includes('external')
      ? await this.suggestions(target, field, String(value))
      : undefined;
    const entry = entryFor(element, value, offered);
    const blockId = textOf(block.block_id);
    const actionId = textOf(element.action_id);
    const isView = 'hash' in target;
    const values = isView ? target.values : (this.#typed.get(target.ts) ?? {});
    values[blockId] = { ...values[blockId], [actionId]: entry };
    if (!isView) this.#typed.set(target.ts, values);
    if (block.type === 'input' && block.dispatch_action !== true) return undefined;
    const action = { ...entry, action_id: actionId, block_id: blockId };
    const payload = isView
      ? payloads.viewAction(this.#core, target, action)
      : payloads.messageAction(this.#core, this.id, target, action, values);
    return await this.#dispatch.send('interactive', payload);
  }

  /** What the app offers in an external select for the typed letters. */
  async suggestions(target: Message | View, field: string, letters: string): Promise<Json[]> {
    const { block, element } = findField(target.blocks, field);
    const container =
      'hash' in target
        ? { container: { type: 'view', view_id: target.id }, view: payloads.viewOf(this.#core, target) }
        : { channel: { id: target.channel } };
    const payload = payloads.suggestion(this.#core, this.id, container, block, element, letters);
    const { ack } = await this.#dispatch.send('interactive', payload);
    const options = objectsOf(objectOf(ack).options);
    if (options.length > 100) this.#core.world.violate('too-many-options', `${options.length} options for ${field}`);
    return options;
  }

  /** Fills fields (by block_id, action_id or label) and submits; Slack's client checks first. */
  async submit(view: View, values: Record<string, FieldValue> = {}): Promise<SubmitOutcome> {
    if (view !== this.view) throw new Error(`${view.callbackId} is not the modal in front of ${this.id}`);
    if (view.submit === undefined) throw new Error(`${view.callbackId} has no submit button`);
    for (const [field, value] of Object.entries(values)) {
      const { block, element } = findField(view.blocks, field);
      const blockId = textOf(block.block_id);
      const entry = isChosenFile(value)
        ? this.#chosen(element, value)
        : textOf(element.type).includes('external') && value !== null
          ? entryFor(element, value, await this.suggestions(view, field, String(value)))
          : entryFor(element, value);
      view.values[blockId] = { ...view.values[blockId], [textOf(element.action_id)]: entry };
    }
    const refusedByClient = clientErrors(view.blocks, view.values);
    if (Object.keys(refusedByClient).length > 0) {
      view.errors = refusedByClient;
      const payload = { type: 'view_submission' };
      return {
        kind: 'interactive',
        payload,
        status: 0,
        ms: 0,
        ack: '',
        error: 'client_refused',
        retry: 0,
        errors: refusedByClient,
      };
    }
    view.errors = {};
    const payload = payloads.viewSubmission(this.#core, view);
    const delivery = await this.#dispatch.send('interactive', payload);
    if (delivery.status === 200) this.#answerSubmission(view, delivery);
    return { ...delivery, errors: view.errors };
  }

  /** Closes the visible modal, or with `all` the whole stack; the app hears of it where it asked to. */
  async closeView(view: View, { all = false }: { all?: boolean } = {}): Promise<Delivery[]> {
    if (view !== this.view) throw new Error(`${view.callbackId} is not the modal in front of ${this.id}`);
    const cleared = all || view.clearOnClose;
    const closed = cleared ? this.stack.splice(0).reverse() : this.stack.splice(-1);
    const told: Delivery[] = [];
    for (const each of closed.filter((one) => one.notifyOnClose)) {
      told.push(await this.#dispatch.send('interactive', payloads.viewClosed(this.#core, each, cleared)));
    }
    return told;
  }

  /** Uploads a file of the person's; Slack keeps it as theirs whatever becomes of the form. */
  #chosen(element: Json, { name, content, hidden = false }: ChosenFile): Json {
    if (element.type !== 'file_input') throw new Error(`a ${textOf(element.type)} takes no file`);
    const bytes = Buffer.from(content);
    const id = `F${randomBytes(5).toString('hex').toUpperCase()}`;
    this.#core.world.files.set(id, {
      ...{ id, name, title: name, declaredLength: bytes.length, bytes, owner: this.id },
      ...{ shares: [], completed: true, deleted: false },
    });
    return { type: 'file_input', files: [payloads.chosenFileJson(this.#core, id, hidden)] };
  }

  async #write(
    channel: string,
    text: string,
    { thread, raw = false }: { thread?: string; raw?: boolean },
    mentioned: boolean,
  ): Promise<Delivery[]> {
    const { world } = this.#core;
    const where = world.channels.get(channel);
    if (where === undefined || !where.members.has(this.id)) throw new Error(`${this.id} is not in ${channel}`);
    const sent = `${mentioned ? `<@${BOT_USER}> ` : ''}${raw ? text : typed(text, world)}`;
    const elements = [{ type: 'rich_text_section', elements: [{ type: 'text', text }] }];
    const blocks = [{ type: 'rich_text', elements }];
    const message = world.post(channel, { text: sent, blocks, author: this.id, byApp: false, threadTs: thread });
    const events = this.#core.options.events ?? ['app_mention', 'message.im'];
    const common = {
      ...payloads.messageJson(this.#core, message),
      channel,
      event_ts: message.ts,
      client_msg_id: crypto.randomUUID(),
      ...(world.user(this.id).stranger === true
        ? { user_team: world.user(this.id).teamId, source_team: world.user(this.id).teamId }
        : {}),
    };
    const heard: Json[] = [];
    if (where.hasBot && sent.includes(`<@${BOT_USER}>`) && where.kind !== 'im' && events.includes('app_mention')) {
      heard.push({ ...common, type: 'app_mention' });
    }
    const { subscription, type } = payloads.audience(where);
    if (where.hasBot && events.includes(subscription)) heard.push({ ...common, type: 'message', channel_type: type });
    const shared = events.includes('link_shared') ? payloads.linkShared(this.#core, message) : undefined;
    if (shared !== undefined) heard.push(shared);
    return await Promise.all(
      heard.map((event) => this.#dispatch.send('event', payloads.eventEnvelope(this.#core, event))),
    );
  }

  #showAck(via: string, channel: string, delivery: Delivery): void {
    const body = isObject(delivery.ack) ? delivery.ack : { text: String(delivery.ack) };
    try {
      respond(this.#core, via, this.id, channel, undefined, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      delivery.error = 'dispatch_failed';
      this.#core.world.violate(error.code, `acknowledgement of a command: ${error.message}`);
    }
  }

  #mustSee(message: Message): void {
    const { deleted, ephemeralTo, channel } = message;
    const member = this.#core.world.channels.get(channel)?.members.has(this.id) === true;
    if (deleted || !member || (ephemeralTo !== undefined && ephemeralTo !== this.id)) {
      throw new Error(`${this.id} does not see message ${message.ts}`);
    }
  }

  #answerSubmission(view: View, delivery: Delivery): void {
    if (delivery.ack === '') {
      this.stack.splice(this.stack.indexOf(view), 1);
      return;
    }
    try {
      this.#apply(view, objectOf(delivery.ack));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      delivery.error = 'trouble_connecting';
      this.#core.world.violate(error.code, `answer to view_submission ${view.callbackId}: ${error.message}`);
    }
  }

  #apply(view: View, answer: Json): void {
    const { views, world } = this.#core;
    if (answer.response_action === 'errors') {
      const inputs = new Set(view.blocks.filter((block) => block.type === 'input').map((block) => block.block_id));
      for (const [blockId, text] of Object.entries(objectOf(answer.errors))) {
        if (inputs.has(blockId)) view.errors[blockId] = String(text);
        else world.violate('error-without-input', `${view.callbackId}: no input block ${blockId} to show the error at`);
      }
      if (Object.keys(view.errors).length === 0)
        throw new Refusal('bad-response-action', true, ['errors names no input']);
    } else if (answer.response_action === 'update') {
      views.update(view, objectOf(answer.view), undefined);
    } else if (answer.response_action === 'push') {
      if (this.stack.length >= STACK_LIMIT) throw new Refusal('push_limit_reached', true);
      views.push(this.id, objectOf(answer.view));
    } else if (answer.response_action === 'clear') {
      this.stack.length = 0;
    } else throw new Refusal('bad-response-action', true, [JSON.stringify(answer).slice(0, 200)]);
  }
}

/** The `actions[0]` of a click. */
function actionOf({ block, element, option }: Button): Json {
  const { type, action_id, text, value, style, url } = element;
  const given = Object.entries({ text, value, style, url }).filter(([, each]) => each !== undefined);
  const chosen = option === undefined ? Object.fromEntries(given) : { selected_option: option };
  return { type, action_id, block_id: block.block_id, ...chosen };
}
