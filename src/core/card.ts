/**
 * The one message model. The core and the bot build Cards and Forms; renderers turn them into Block Kit, Adaptive Cards and plain text.
 * No platform field here: what a platform lacks is degraded in its renderer.
 */

import type { Picture } from './picture.ts';

/** Says how it stands, in words as well: renderers add a mark, never colour alone. */
export type Tone = 'plain' | 'good' | 'busy' | 'warn' | 'bad';

/** Text parts use this little markup in every renderer: `*bold*`, `_italic_`, `` `code` ``, and links as `[text](https://…)`. */
export type Part =
  | { part: 'text'; text: string }
  | { part: 'facts'; facts: Fact[] }
  | { part: 'steps'; steps: { name: string; state: 'todo' | 'doing' | 'done' | 'failed'; note?: string }[] }
  | { part: 'progress'; percent: number; label: string }
  | { part: 'table'; columns: string[]; rows: string[][]; caption?: string }
  | { part: 'code'; text: string; language?: string }
  | { part: 'time'; label: string; at: number }
  | { part: 'note'; text: string }
  | { part: 'rows'; caption?: string; rows: Row[] }
  | { part: 'picture'; picture: Picture }
  | { part: 'divider' };

/** One thing of a list that can be acted on where it stands. */
export interface Row {
  text: string;
  /** Small print below. */
  note?: string;
  /** At most three; none asks for more room than its row. */
  buttons?: Button[];
}

export interface Fact {
  label: string;
  value: string;
}

/** Whatever a person can click, a person could have typed: every button is a canonical command, or a link. */
export interface Button {
  label: string;
  /** A canonical command without the `/kqueen`; absent only when `url` is there. */
  command?: string;
  url?: string;
  style?: 'primary' | 'danger';
  /** Asked before the command is sent, where the platform can. */
  confirm?: { title: string; text: string; yes: string };
}

export interface Card {
  title: string;
  tone: Tone;
  /** The whole message in a sentence or two: notification text, screen readers, platforms without cards. */
  text: string;
  parts: Part[];
  buttons: Button[];
  /** Small print: correlation id, "seen 40 s ago", sandbox notice. */
  footer?: string;
}

/** How a field is asked. `secret` is never echoed and only asked in private. `labels` is `key=value` pairs separated by commas. */
export type FieldKind =
  | 'text'
  | 'multiline'
  | 'secret'
  | 'secret-multiline'
  | 'number'
  | 'choice'
  | 'toggle'
  | 'labels';

export interface Field {
  key: string;
  label: string;
  kind: FieldKind;
  required: boolean;
  /** Prefilled: what was typed, else the default. */
  value?: string;
  help?: string;
  example?: string;
  choices?: { value: string; label: string; note?: string }[];
  min?: number;
  max?: number;
  /** Of a number: no fractions. */
  whole?: boolean;
  maxLength?: number;
  /** What is wrong with the value, in a sentence. */
  problem?: string;
  /** Changing it loads the form again (other fields depend on it). */
  reloads?: boolean;
}

export interface Form {
  title: string;
  /** The canonical command it fills in, such as `cluster create`; its values become `key=value` arguments. */
  command: string;
  submit: string;
  intro?: string;
  fields: Field[];
  /** True when a field is secret: never shown in a channel. */
  private: boolean;
  /**
   * What some choices are still awaited from, by name: asked again with patience, the form may have them. What is filled in meanwhile counts.
   */
  loading?: string;
}

/** Every button of a card in the order of reading: those of its rows, then its own. */
export function allButtons(card: Pick<Card, 'parts' | 'buttons'>): Button[] {
  const ofRows = card.parts.flatMap((part) => (part.part === 'rows' ? part.rows : []));
  return [...ofRows.flatMap(({ buttons }) => (buttons ?? []).slice(0, rowButtons)), ...card.buttons];
}

/** Most buttons of a row. */
export const rowButtons = 3;

/** A card in its simplest form. */
export function plainCard(title: string, text: string, tone: Tone = 'plain', buttons: Button[] = []): Card {
  return { title, tone, text, parts: [{ part: 'text', text }], buttons };
}
