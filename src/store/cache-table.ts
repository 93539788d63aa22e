/** The records of one kind in one organisation, in memory, sorted by every key that the kind may be listed by. */
import { Fault } from '../core/errors.ts';
import type { Query } from '../core/ports/store.ts';
import type { Kind, RecordOf } from '../core/records.ts';
import { sortKeys } from '../core/records.ts';

/** One record with the revision it was seen at. */
export interface Row<K extends Kind = Kind> {
  id: string;
  record: RecordOf<K>;
  revision: number;
}

export interface Table<K extends Kind = Kind> {
  readonly size: number;
  get(id: string): Row<K> | undefined;
  rows(): Iterable<Row<K>>;
  set(row: Row<K>): void;
  /** Adds many to an empty table, which is much faster than one by one. */
  fill(rows: Row<K>[]): void;
  delete(id: string): void;
  /** Walks an index; nothing is sorted here. */
  query(query: Query<K>): { items: RecordOf<K>[]; total: number };
}

type Value = string | number | boolean | undefined;

interface Index<K extends Kind> {
  read(record: RecordOf<K>): Value;
  sorted: Row<K>[];
}

/** The keys that a kind may be sorted by; its id when it names none. */
export function sortKeysOf(kind: Kind): string[] {
  return sortKeys[kind] ?? ['id'];
}

/** The sort key a query asks for, or the kind's first; throws `bad-input` for one it does not have. */
export function sortKeyFor(kind: Kind, sort: string | undefined): string {
  const keys = sortKeysOf(kind);
  if (sort !== undefined && !keys.includes(sort)) {
    throw new Fault('bad-input', `This list cannot be sorted by ${sort}.`, {
      field: 'sort',
      next: `Sort by one of: ${keys.join(', ')}.`,
    });
  }
  return sort ?? keys[0] ?? 'id';
}

/** An empty table with an index for each of the kind's sort keys. */
export function makeTable<K extends Kind>(kind: K): Table<K> {
  const byId = new Map<string, Row<K>>();
  const indexes = new Map<string, Index<K>>(
    sortKeysOf(kind).map((key) => [key, { read: fieldReader<K>(key), sorted: [] }]),
  );

  function drop(index: Index<K>, row: Row<K>): void {
    index.sorted.splice(place(index, row), 1);
  }

  return {
    get size() {
      return byId.size;
    },
    get: (id) => byId.get(id),
    rows: () => byId.values(),
    set(row) {
      const old = byId.get(row.id);
      byId.set(row.id, row);
      for (const index of indexes.values()) {
        const same = old && compare(index.read(old.record), index.read(row.record)) === 0;
        if (same) {
          index.sorted[place(index, old)] = row;
          continue;
        }
        if (old) drop(index, old);
        index.sorted.splice(place(index, row), 0, row);
      }
    },
    fill(rows) {
      for (const row of rows) byId.set(row.id, row);
      for (const index of indexes.values()) {
        // The values are read once for each row instead of once for each comparison.
        const valued = [...byId.values()].map((row) => ({ value: index.read(row.record), row }));
        valued.sort((a, b) => compare(a.value, b.value) || compare(a.row.id, b.row.id));
        index.sorted = valued.map(({ row }) => row);
      }
    },
    delete(id) {
      const old = byId.get(id);
      if (!old) return;
      byId.delete(id);
      for (const index of indexes.values()) drop(index, old);
    },
    query({ sort, descending, where, offset = 0, limit }) {
      const sorted = indexes.get(sortKeyFor(kind, sort))?.sorted ?? [];
      const end = limit === undefined ? Number.POSITIVE_INFINITY : offset + limit;
      const items: RecordOf<K>[] = [];
      if (!where) {
        for (let at = offset; at < Math.min(end, sorted.length); at += 1) {
          const row = sorted[descending ? sorted.length - 1 - at : at];
          if (row) items.push(row.record);
        }
        return { items, total: sorted.length };
      }
      let total = 0;
      for (let at = 0; at < sorted.length; at += 1) {
        const record = sorted[descending ? sorted.length - 1 - at : at]?.record;
        if (record === undefined || !where(record)) continue;
        if (total >= offset && total < end) items.push(record);
        total += 1;
      }
      return { items, total };
    },
  };
}

/** Where the row is in the index, or belongs. */
function place<K extends Kind>(index: Index<K>, row: Row<K>): number {
  const value = index.read(row.record);
  let low = 0;
  let high = index.sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const there = index.sorted[middle];
    if (there && (compare(index.read(there.record), value) || compare(there.id, row.id)) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function fieldReader<K extends Kind>(path: string): (record: RecordOf<K>) => Value {
  const steps = path.split('.');
  return (record) => {
    let value: unknown = record;
    for (const step of steps) value = (value as Record<string, unknown> | undefined)?.[step];
    return value as Value;
  };
}

/** Numbers by size, texts by their characters, what is absent after everything else. */
export function compare(a: Value, b: Value): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}
