import { type ApiClient, type ApiFailure, failureOf } from './controller-client.ts';
import { type JsonObject, objectAt, objectsAt, textAt } from './json.ts';

/** Is told of every change; `before` is undefined for what is new, `now` for what is gone. */
export type OnChange = (now: JsonObject | undefined, before: JsonObject | undefined) => void;

/** How many deleted objects are remembered, so that a late answer does not bring one back. */
const REMEMBERED = 2000;

/** Pauses before a list or watch is tried again, ms: doubled from the first to the last. */
const FIRST_PAUSE = 100;
const LAST_PAUSE = 10_000;

/** `namespace/name` of an object. */
export function keyOf(object: JsonObject): string {
  return `${textAt(object, 'metadata', 'namespace') ?? ''}/${textAt(object, 'metadata', 'name') ?? ''}`;
}

function versionOf(object: JsonObject): number {
  return Number(textAt(object, 'metadata', 'resourceVersion') ?? 0);
}

/** A copy of all objects of one kind, kept up to date by list and watch. */
export class Informer {
  readonly items = new Map<string, JsonObject>();
  /** Whether the first list is in. */
  synced = false;
  readonly #api: ApiClient;
  readonly #path: string;
  readonly #onChange: OnChange;
  readonly #onSync: () => void;
  readonly #gone = new Set<string>();
  #version = '';
  #pause = FIRST_PAUSE;
  #stopped = false;
  #stopWatch: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(api: ApiClient, path: string, onChange: OnChange, onSync: () => void) {
    this.#api = api;
    this.#path = path;
    this.#onChange = onChange;
    this.#onSync = onSync;
  }

  /** Begins to list and watch. */
  start(): void {
    this.#list().catch(() => this.#again(true));
  }

  /** Ends the watch. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stopWatch?.();
  }

  /** Takes in an object that came as the answer to a write, before the watch brings it. */
  accept(object: JsonObject): void {
    const key = keyOf(object);
    const before = this.items.get(key);
    if (this.#gone.has(textAt(object, 'metadata', 'uid') ?? '')) return;
    if (before !== undefined && versionOf(before) > versionOf(object)) return;
    this.items.set(key, object);
    this.#onChange(object, before);
  }

  #again(relist: boolean): void {
    if (this.#stopped) return;
    if (relist) this.#version = '';
    this.#timer = setTimeout(() => {
      if (this.#version === '') this.start();
      else this.#watch();
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, LAST_PAUSE);
  }

  async #list(): Promise<void> {
    const found = new Map<string, JsonObject>();
    let token = '';
    do {
      const page: JsonObject = await this.#api.request(
        'GET',
        `${this.#path}?limit=500${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`,
      );
      for (const item of objectsAt(page, 'items')) found.set(keyOf(item), item);
      this.#version = textAt(page, 'metadata', 'resourceVersion') ?? '';
      token = textAt(page, 'metadata', 'continue') ?? '';
    } while (token !== '');
    if (this.#stopped) return;
    for (const [key, before] of [...this.items]) if (!found.has(key)) this.#remove(key, before);
    for (const item of found.values()) this.accept(item);
    if (!this.synced) {
      this.synced = true;
      this.#onSync();
    }
    this.#watch();
  }

  #remove(key: string, before: JsonObject): void {
    this.items.delete(key);
    this.#gone.add(textAt(before, 'metadata', 'uid') ?? '');
    if (this.#gone.size > REMEMBERED)
      for (const uid of [...this.#gone].slice(0, REMEMBERED / 2)) this.#gone.delete(uid);
    this.#onChange(undefined, before);
  }

  #watch(): void {
    if (this.#stopped) return;
    const path = `${this.#path}?watch=true&allowWatchBookmarks=true&timeoutSeconds=3000&resourceVersion=${this.#version}`;
    let old: ApiFailure | undefined;
    this.#stopWatch = this.#api.stream(
      path,
      (line) => {
        const object = objectAt(line, 'object');
        if (line.type === 'ERROR') {
          old = failureOf(object);
          return;
        }
        this.#pause = FIRST_PAUSE;
        this.#version = textAt(object, 'metadata', 'resourceVersion') ?? this.#version;
        if (line.type === 'BOOKMARK') return;
        if (line.type !== 'DELETED') {
          this.accept(object);
          return;
        }
        const key = keyOf(object);
        const before = this.items.get(key);
        if (before === undefined || textAt(before, 'metadata', 'uid') === textAt(object, 'metadata', 'uid'))
          this.#remove(key, before ?? object);
      },
      (failure) => this.#again(old !== undefined || (failure !== undefined && failure.code !== 0)),
    );
  }
}
