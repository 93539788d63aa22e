/** What may be shown of text from people and providers, the same in every renderer. */

/** Format characters that are wanted: the joiners of emoji and of Persian and Indic scripts. */
const joiners = '\u200c\u200d';

/**
 * The text without control characters and without invisible or reordering ones (bidirectional overrides, zero-width spaces): they can only
 * mislead the person who reads. Line breaks stay, tabs become spaces, halves of surrogate pairs become U+FFFD.
 */
export function seenText(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, '\n')
    .replaceAll('\t', ' ')
    .replace(/[\p{Cc}\p{Cf}]/gu, (char) => (char === '\n' || joiners.includes(char) ? char : ''));
}
