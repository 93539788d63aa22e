/** Looks for secrets in everything that a process has left anywhere. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A secret that was found, shortened so that a failing test does not show it, and where. */
export interface Leak {
  secret: string;
  where: string;
}

/** Where the secrets are found: in texts by name, and in the bytes of every file below folders by name. */
export function leaksIn(
  secrets: Iterable<string>,
  texts: Record<string, string>,
  folders: Record<string, string>,
): Leak[] {
  const wanted = [...new Set(secrets)].filter((each) => each.length >= 8).flatMap(forms);
  const places = [
    ...Object.entries(texts).map(([where, text]) => ({ where, bytes: Buffer.from(text) })),
    ...Object.entries(folders).flatMap(([where, folder]) =>
      filesBelow(folder).map((file) => ({ where: `${where} ${file.slice(folder.length)}`, bytes: readFileSync(file) })),
    ),
  ];
  return places.flatMap(({ where, bytes }) =>
    wanted.filter(({ bytes: secret }) => bytes.includes(secret)).map(({ shown }) => ({ secret: shown, where })),
  );
}

/** A secret as it is, as a JSON text has it, and in base64 as a kubeconfig or a Secret has it. */
function forms(secret: string): { shown: string; bytes: Buffer }[] {
  const shown = `${secret.slice(0, 6)}… (${secret.length} characters)`;
  const texts = new Set([secret, JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('base64')]);
  return [...texts].map((text) => ({ shown, bytes: Buffer.from(text) }));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}
