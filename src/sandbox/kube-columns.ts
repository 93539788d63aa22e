import { type Json, type JsonObject, textAt } from './json.ts';

/** A column of the tables that kubectl prints. */
export type Column = {
  name: string;
  type: 'string' | 'integer' | 'date';
  /** 0 is always shown, 1 with `-o wide`. */
  priority: number;
  cell: (object: JsonObject) => Json;
};

/** A column that is always shown unless its priority is 1. */
export function column(name: string, cell: Column['cell'], priority = 0, type: Column['type'] = 'string'): Column {
  return { name, type, priority, cell };
}

/** An age as kubectl writes it: 45s, 3m20s, 2h, 5d. */
export function ageOf(time: string | undefined, now = Date.now()): string {
  if (time === undefined) return '<unknown>';
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  return `${days}d`;
}

/** The column of names. */
export const NAME = column('Name', (object) => textAt(object, 'metadata', 'name') ?? '');
/** The column of ages. */
export const AGE = column('Age', (object) => ageOf(textAt(object, 'metadata', 'creationTimestamp')));

/** A text, or what stands for none. */
export function orNone(text: string | undefined): string {
  return text === undefined || text === '' ? '<none>' : text;
}
