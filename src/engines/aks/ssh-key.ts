/**
 * What is wrong with the text as an SSH public key that Azure's Linux machines take (RSA of 2,048 bits and more, or Ed25519), or null.
 * The form of a key is that of RFC 4253, 6.6: base64 of length-prefixed strings, the first of which is its type.
 */
export function sshKeyProblem(text: string): string | null {
  const line = text.trim();
  if (/PRIVATE KEY/.test(line))
    return 'This is a private key: keep it to yourself and paste the public one (the .pub file).';
  const [type, encoded] = line.split(/\s+/);
  if (line.includes('\n') || !encoded) return 'Paste one line that begins with ssh-rsa or ssh-ed25519.';
  if (type !== 'ssh-rsa' && type !== 'ssh-ed25519') return 'Azure takes ssh-rsa and ssh-ed25519 keys only.';
  const parts = /^[A-Za-z0-9+/]+={0,2}$/.test(encoded) ? readParts(Buffer.from(encoded, 'base64')) : null;
  if (parts?.[0]?.toString('latin1') !== type)
    return 'The key is cut short or changed: paste the whole line of the .pub file.';
  if (type === 'ssh-ed25519') return parts.length === 2 && parts[1]?.length === 32 ? null : 'The key is cut short.';
  const modulus = parts[2];
  if (parts.length !== 3 || !modulus) return 'The key is cut short.';
  // A leading zero keeps the number positive and is no part of it.
  const bits = (modulus[0] === 0 ? modulus.length - 1 : modulus.length) * 8;
  return bits >= 2_048 ? null : `An RSA key needs 2,048 bits at least; this one has ${bits}.`;
}

/** The length-prefixed strings of a key; null when the last one is not whole. */
function readParts(bytes: Buffer): Buffer[] | null {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null;
    const length = bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) return null;
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}
