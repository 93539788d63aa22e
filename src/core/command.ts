/** The command registry's shape: one entry a command, from which parsing, validation, forms, help and documentation derive. */
import type { z } from 'zod';
import type { Card, Form } from './card.ts';
import { formatLine } from './line.ts';
import type { Caller, Policy } from './policy.ts';
import type { Attachment, MessageRef } from './ports/chat.ts';
import type { NewId } from './ports/clock.ts';
import type { Call, Engine, EngineClient, Engines, Options } from './ports/engine.ts';
import type { Kube } from './ports/kube.ts';
import type { Log } from './ports/log.ts';
import type { Cache, Change, Commit, Sealer, Store } from './ports/store.ts';
import type { Audit, Delivery, Job, Place, Provisioner } from './records.ts';

/** What a command answers; adapters and renderers turn it into messages, modals and files. */
export interface Answer {
  /** Only the caller sees it, or everybody in the place. */
  audience: 'caller' | 'place';
  card?: Card;
  /** Opened, or offered as a button that opens it. */
  form?: Form;
  /** A submitted form was refused at these fields: show them there and keep the values. */
  problems?: { field: string; message: string }[];
  /** For the direct conversation only; removed after ten minutes. */
  files?: Attachment[];
  /** The card replaces the message the button sits on. */
  replaces?: boolean;
  /** Delete the person's own message where the platform allows it: a secret was pasted. */
  remove?: boolean;
  /** The live message that follows in the same place says the same: needed only where an event wants an answer of its own. */
  receipt?: boolean;
}

/** Limits of this installation, in milliseconds. */
export interface Limits {
  approvalMs: number;
  provisionMs: number;
}

/** What went with a change: who is told of it, and how a repeat of the same event is answered. */
export interface Effect {
  action: string;
  outcome: Audit['outcome'];
  subject: string;
  /** One sentence for a repeat of the same event. */
  says: string;
  job?: string;
  approval?: string;
  reason?: string;
}

/** A commit with its audit entry and delivery; `repeat` when this very event has had its effect before. */
export type Effected = Commit | { ok: 'repeat'; delivery: Delivery };

/** Everything a command works with. */
export interface Context {
  caller: Caller;
  place: Place;
  /** Only the caller reads the place. */
  private: boolean;
  /** The caller's time zone, in the IANA database, when the chat tells it. */
  zone?: string;
  source: 'command' | 'mention' | 'direct' | 'button' | 'form' | 'open-form';
  message?: MessageRef;
  canOpenForm: boolean;
  /** The canonical line, without secrets. */
  line: string;
  now: number;
  correlation: string;
  store: Store;
  cache: Cache;
  engines: Engines;
  kube: Kube;
  sealer: Sealer;
  newId: NewId;
  limits: Limits;
  log: Log;
  /** KQueen's own address for links, when it has one. */
  publicUrl?: string;
  /** How the caller writes a command here: `/kqueen help`, `@KQueen help`, `help`. */
  prefix: string;
  version: string;
  registry: Registry;
  /** A bounded outside call. */
  call(ms: number): Call;
  /** A provisioner's connection. Workers alone may change anything through it; commands observe, check and ask for options. */
  connect(provisioner: Provisioner): Promise<EngineClient>;
  /**
   * The provider's live choices and prices, at most a minute old, for what a form has so far (only the fields that others depend on count); null
   * when it does not answer within about a second.
   */
  options(provisioner: Provisioner, given?: Record<string, string>): Promise<Options | null>;
  /** The text of the guide for an engine's provider; null when this installation has none. */
  guide(engine: Engine): Promise<string | null>;
  /** Commits with an audit entry and the delivery of this event in the same transaction. */
  effect(changes: Change[], effect: Effect): Promise<Effected>;
  /** Tells the queue, without waiting and without failing: the sweep finds what it missed. */
  tick(job: Job): void;
}

export interface Command {
  /** Canonical: `cluster create`, or one word. */
  name: string;
  /** Other phrases for it: `create`, `clusters`. Verb-noun order and dropped hyphens are understood without being listed. */
  aliases?: string[];
  /** One line for help. */
  summary: string;
  /** Complete lines; each is executed in the tests. */
  examples: string[];
  group:
    | 'Clusters'
    | 'Nodes'
    | 'Apps'
    | 'Add-ons'
    | 'Backups'
    | 'Network and images'
    | 'Jobs and approvals'
    | 'Provisioners'
    | 'KQueen';
  policy: Policy;
  /** Whether it can change anything. */
  changes: boolean;
  args: z.ZodObject;
  /** Keys filled by bare words, in order. */
  positional: string[];
  /** Small words that name a key: `{ on: 'provisioner', because: 'reason' }`; `because` takes the rest of the line. */
  words?: Record<string, string>;
  /** Takes `key op value` conditions, kept together in the value `where`. */
  selectors?: boolean;
  /** Keys of which an empty value is a wish as well: `labels=`, or the field emptied in the form about a named thing, is read as `labels=none`. */
  clearable?: string[];
  /** Other keys are allowed and checked by the command itself (an engine's fields). */
  open?: boolean;
  /** Keys of `args` a person may leave out of a typed line; the command answers with a form. */
  run(context: Context, values: Record<string, string>): Promise<Answer>;
}

export interface Registry {
  all: readonly Command[];
  find(name: string): Command | undefined;
}

/** The canonical line for a command of the registry. */
export function lineOf(command: Pick<Command, 'name' | 'positional'>, values: Record<string, string>): string {
  return formatLine(command.name, command.positional, values);
}
