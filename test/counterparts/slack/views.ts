/**
 * Modals and home tabs.
 *
 * Sources: docs.slack.dev/surfaces/modals (a stack of at most 3 views, `push_limit_reached`; `hash` guards against updating
 * a view that changed, `hash_conflict`; input values live as long as block_id and action_id stay), and the errors of
 * views.open/push/update/publish (`not_found`, `duplicate_external_id`, `view_too_large` above 250 kB, `invalid_arguments`).
 */
import { randomBytes } from 'node:crypto';
import { checkView } from './blocks.ts';
import { startingValues } from './fields.ts';
import { flagOf, objectOf, objectsOf, textOf } from './json.ts';
import { mrkdwnTexts } from './mrkdwn.ts';
import { unlucky, wrong } from './refusal.ts';
import type { Json, View } from './types.ts';
import { type World, withIds } from './world.ts';

export const STACK_LIMIT = 3;
const VIEW_BYTES = 250_000;

export class Views {
  readonly #world: World;
  readonly #stacks = new Map<string, View[]>();
  readonly #homes = new Map<string, View>();
  #made = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** The person's modals, the visible one last. */
  stack(userId: string): View[] {
    const known = this.#stacks.get(userId) ?? [];
    this.#stacks.set(userId, known);
    return known;
  }

  home(userId: string): View | undefined {
    return this.#homes.get(userId);
  }

  open(userId: string, view: Json): View {
    const made = this.#make(userId, view, 'modal', undefined);
    this.#stacks.set(userId, [made]);
    return made;
  }

  push(userId: string, view: Json): View {
    const stack = this.stack(userId);
    const below = stack.at(-1);
    if (below === undefined) throw unlucky('not_found');
    if (stack.length >= STACK_LIMIT) throw wrong('push_limit_reached');
    const made = this.#make(userId, view, 'modal', below);
    stack.push(made);
    return made;
  }

  publish(userId: string, view: Json, hash: string | undefined): View {
    const known = this.#homes.get(userId);
    if (known !== undefined) return this.update(known, view, hash);
    const made = this.#make(userId, view, 'home', undefined);
    this.#homes.set(userId, made);
    return made;
  }

  /** A view that is open or published right now. */
  find(viewId: string, externalId: string): View {
    for (const view of this.#live()) {
      if (viewId !== '' ? view.id === viewId : externalId !== '' && view.externalId === externalId) return view;
    }
    throw unlucky('not_found');
  }

  update(view: View, json: Json, hash: string | undefined): View {
    if (hash !== undefined && hash !== view.hash) throw unlucky('hash_conflict');
    this.#check(json, view.type);
    const externalId = textOf(json.external_id);
    if (externalId !== '' && this.#live().some((each) => each !== view && each.externalId === externalId)) {
      throw wrong('duplicate_external_id');
    }
    this.#fill(view, json);
    view.values = startingValues(view.blocks, view.values);
    view.errors = {};
    return view;
  }

  #live(): View[] {
    return [...this.#homes.values(), ...[...this.#stacks.values()].flat()];
  }

  #check(json: Json, type: View['type']): void {
    const complaints = checkView(json, type);
    if (complaints.length > 0) throw wrong('invalid_arguments', complaints);
    if (Buffer.byteLength(JSON.stringify(json)) > VIEW_BYTES) throw wrong('view_too_large');
    for (const each of mrkdwnTexts('', objectsOf(json.blocks)))
      this.#world.checkText(`view ${textOf(json.callback_id)}`, each);
  }

  #make(userId: string, json: Json, type: View['type'], below: View | undefined): View {
    this.#check(json, type);
    const externalId = textOf(json.external_id);
    if (externalId !== '' && this.#live().some((view) => view.externalId === externalId)) {
      throw wrong('duplicate_external_id');
    }
    this.#made += 1;
    const id = `V${String(this.#made).padStart(8, '0')}`;
    const view: View = {
      id,
      type,
      userId,
      callbackId: '',
      externalId,
      title: '',
      submit: undefined,
      close: undefined,
      blocks: [],
      privateMetadata: '',
      clearOnClose: false,
      notifyOnClose: false,
      rootViewId: below?.rootViewId ?? id,
      previousViewId: below?.id,
      hash: '',
      values: {},
      errors: {},
    };
    this.#fill(view, json);
    view.values = startingValues(view.blocks);
    return view;
  }

  #fill(view: View, json: Json): void {
    view.callbackId = textOf(json.callback_id);
    view.externalId = textOf(json.external_id);
    view.title = textOf(objectOf(json.title).text);
    view.submit = json.submit === undefined ? undefined : textOf(objectOf(json.submit).text);
    view.close = json.close === undefined ? undefined : textOf(objectOf(json.close).text);
    view.blocks = withIds(objectsOf(json.blocks));
    view.privateMetadata = textOf(json.private_metadata);
    view.clearOnClose = flagOf(json.clear_on_close);
    view.notifyOnClose = flagOf(json.notify_on_close);
    view.hash = `${Math.floor(this.#world.clock.now() / 1000)}.${randomBytes(6).toString('hex')}`;
  }
}

/** A view as the API and the payloads show it. */
export function viewJson(view: View, team: string, appId: string, botId: string): Json {
  const words = (text: string | undefined) => (text === undefined ? null : { type: 'plain_text', text, emoji: true });
  return {
    id: view.id,
    team_id: team,
    type: view.type,
    blocks: structuredClone(view.blocks),
    private_metadata: view.privateMetadata,
    callback_id: view.callbackId,
    state: { values: structuredClone(view.values) },
    hash: view.hash,
    title: words(view.title),
    close: words(view.close),
    submit: words(view.submit),
    clear_on_close: view.clearOnClose,
    notify_on_close: view.notifyOnClose,
    previous_view_id: view.previousViewId ?? null,
    root_view_id: view.rootViewId,
    app_id: appId,
    external_id: view.externalId,
    app_installed_team_id: team,
    bot_id: botId,
  };
}
