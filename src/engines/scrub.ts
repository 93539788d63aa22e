/** Longest text of a provider that a Fault keeps, in characters. */
const longest = 4_000;

const secretPatterns: [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[private key]'],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 [secret]'],
  [
    /("?(?:[a-z_-]*(?:password|secret|token|credential|api[_-]?key|private[_-]?key|client-key-data|kubeconfig)[a-z_-]*)"?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|[^\s",}&]+)/gi,
    '$1[secret]',
  ],
  [/\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, '[token]'],
];

/**
 * A provider's text with everything that looks like a secret taken out, at most 4,000 characters. `secrets` are the values known to be
 * secret (the provisioner's own); values shorter than four characters are left alone, since they would blot out ordinary words.
 */
export function scrub(text: string, secrets: readonly string[] = []): string {
  // Cut before matching, so that a huge answer costs little; the rest of a secret cut in two goes with the second cut.
  let clean = text.slice(0, longest * 2);
  for (const secret of secrets) {
    if (secret.length >= 4) clean = clean.replaceAll(secret, '[secret]');
  }
  for (const [pattern, replacement] of secretPatterns) clean = clean.replace(pattern, replacement);
  return clean.length > longest ? `${clean.slice(0, longest)}… (${text.length} characters)` : clean;
}

/** The first sentence-sized piece of a provider's text, scrubbed and on one line, for a message that a person reads. */
export function oneLine(text: string, secrets: readonly string[] = [], max = 240): string {
  const line = scrub(text, secrets)
    // Control characters and direction overrides would let a provider's text rewrite the line around it.
    .replace(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > max ? `${line.slice(0, max - 1).trimEnd()}…` : line;
}
