/** Recognises credentials in text, so that they are refused before they are kept anywhere, and scrubbed from what is shown. */

const patterns: { name: string; pattern: RegExp }[] = [
  { name: 'a Slack token', pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/ },
  { name: 'a Slack app token', pattern: /\bxapp-\d-[A-Za-z0-9-]{10,}/ },
  { name: 'a Slack webhook address', pattern: /\bhooks\.slack\.com\/(?:services|workflows)\/\S{10,}/ },
  {
    name: 'a private key',
    pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$(?![\s\S]))/,
  },
  { name: 'a service account key', pattern: /"private_key"\s*:\s*"[^"]*"?/ },
  { name: 'a kubeconfig with credentials', pattern: /\b(?:client-key-data|client-certificate-data)\s*:\s*\S{16,}/ },
  { name: 'a bearer token', pattern: /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/ },
  { name: 'an AWS access key', pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/ },
  { name: 'a Google credential', pattern: /\b(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,})/ },
  { name: 'a GitHub token', pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})/ },
  { name: 'a bearer token', pattern: /\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic)\s+\S{8,}/i },
  { name: 'an address with a password', pattern: /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]{3,}@/i },
  {
    name: 'a password',
    // A key that ends like a credential's, then its value: `os_password=…`, `"clientSecret": "…"`, `aws_secret_access_key = …`.
    pattern:
      /(?:password|passwd|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|secret[-_]?key)["']?(?:\s*[=:]\s*(?:"[^"]{6,}"|'[^']{6,}')|\s*=\s*["']?[^\s"']{6,}|\s*:\s*(?=\S*\d)[^\s"']{6,})/i,
  },
];

/** What kind of credential the text holds, in words, or null. */
export function findSecret(text: string): string | null {
  return patterns.find(({ pattern }) => pattern.test(text))?.name ?? null;
}

/** The text with everything that looks like a credential blotted out. */
export function scrub(text: string): string {
  return patterns.reduce(
    (cleaned, { pattern }) => cleaned.replace(new RegExp(pattern.source, `${pattern.flags}g`), '•••'),
    text,
  );
}
