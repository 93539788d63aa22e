/** Command lines as text: how a canonical one is written. The grammar in src/bot reads them; `parse(format(x))` is `x`. */

/** Writes one value; quotes it when it would not be read back as one word. */
export function quoteValue(value: string): string {
  return /^[^\s"'\\=<>!~]+$/.test(value) && !value.startsWith('--') ? value : `"${value.replace(/(["\\])/g, '\\$1')}"`;
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
    words.push(quoteValue(value));
    rest.delete(key);
  }
  for (const [key, value] of rest) words.push(`${key}=${quoteValue(value)}`);
  return words.join(' ');
}
