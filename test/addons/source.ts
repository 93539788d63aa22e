/** Where add-ons come from in tests: a server on loopback that speaks https, and a folder of an installation's own. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppAccess } from '../../src/kube/apply/address.ts';
import { makeTestCertificate } from '../certificate.ts';

export interface AddonSource {
  /** For `openKube`: the folder, the server's authority, and that this loopback server may be asked. */
  access: AppAccess & { addonDir: string };
  /** The address of a file of the server. */
  url(name: string): string;
  /** What the server answers for a path. */
  files: Map<string, string | ((request: IncomingMessage, response: ServerResponse) => void)>;
  /** Writes a file into the folder. */
  write(name: string, text: string): void;
  /** Describes an add-on of the installation's own. */
  describe(name: string, more: Record<string, unknown>): void;
  close(): Promise<void>;
}

/** Hash of a text, as descriptions have it. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export async function openAddonSource(): Promise<AddonSource> {
  const certificate = makeTestCertificate();
  const addonDir = mkdtempSync(join(tmpdir(), 'kqueen-addons-'));
  const files: AddonSource['files'] = new Map();
  const server = createServer({ cert: certificate.cert, key: certificate.key }, (request, response) => {
    const found = files.get(request.url ?? '');
    if (typeof found === 'function') return found(request, response);
    if (found === undefined) return void response.writeHead(404).end('nothing here');
    return void response.end(found);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const write = (name: string, text: string) => writeFileSync(join(addonDir, name), text);
  return {
    access: { hosts: [`private:127.0.0.1:${port}`], authority: certificate.ca, addonDir },
    url: (name) => `https://127.0.0.1:${port}/${name}`,
    files,
    write,
    describe(name, more) {
      write(`${name}.addon.yaml`, JSON.stringify({ name, title: name, version: '1.0.0', ...more }));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(addonDir, { recursive: true, force: true });
    },
  };
}

/** A ConfigMap as YAML. */
export function map(name: string, value = 'one', namespace = 'default'): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: ${namespace}}\ndata: {word: "${value}"}\n`;
}
