/** Command lines as text: how a canonical one is written. The grammar in src/bot reads them; `parse(format(x))` is `x`. */

/** Small words that stand for a key (`on`, `because`) and nouns: alone, the grammar would not read them as a value. */
export const spokenWords: ReadonlySet<string> = new Set([
  ...[
    'on',
    'in',
    'for',
    'because',
    'as',
    'to',
    'into',
    'registry',
    'dns',
    'backup',
    'backups',
    'addon',
    'addons',
    'at',
    'of',
    'access',
    'kubeconfig',
    'apps',
    'by',
    'from',
    'with',
    'about',
    'notify',
    'notifications',
    'digest',
  ],
  ...['cluster', 'clusters', 'job', 'jobs', 'approval', 'approvals', 'provisioner', 'provisioners'],
  ...[
    'node',
    'nodes',
    'engine',
    'engines',
    'fleet',
    'health',
    'help',
    'person',
    'people',
    'role',
    'app',
    'channel',
    'network',
    'networks',
    'kqueen',
  ],
]);

const bare = /^[^\s"'\u2018-\u201f\u2032\u2033\\=<>!~]+$/;

/** What may not be in a value, because it could mislead the person who reads it: control and bidirectional characters. Lines stay. */
export function cleanValue(value: string): string {
  return value
    .replace(/\r\n?/g, '\n')
    .replace(/(?!\n)\p{Cc}/gu, ' ')
    .replace(/[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g, '');
}

/** Writes one value; quotes it when it would not be read back as one word. */
export function quoteValue(value: string): string {
  if (bare.test(value) && !/^(?:--|[\u2013\u2014])/.test(value)) return value;
  return `"${value.replace(/(["\\])/g, '\\$1').replaceAll('\n', '\\n')}"`;
}

/**
 * The canonical line of a command: its name, positional values in order, then `key=value` in the given order.
 * Empty values are left out.
 */
export function formatLine(name: string, positional: readonly string[], values: Record<string, string>): string {
  const words = [name];
  const rest = new Map(Object.entries(values).filter(([, value]) => value !== ''));
  for (const key of positional) {
    const value = rest.get(key);
    // A gap ends the positional part: what follows must say its key.
    if (value === undefined) break;
    words.push(spokenWords.has(value.toLowerCase()) ? `"${value}"` : quoteValue(value));
    rest.delete(key);
  }
  for (const [key, value] of rest) words.push(`${key}=${quoteValue(value)}`);
  return words.join(' ');
}
