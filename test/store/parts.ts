/** What the tests of the store share: temporary folders, a log that remembers, sample records. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Log } from '../../src/core/ports/log.ts';
import type { Ref } from '../../src/core/ports/store.ts';
import type { Cluster, RecordOf } from '../../src/core/records.ts';

/** A temporary folder that goes when the test is over. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kqueen-store-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A log that keeps what it was told. */
export function keepingLog(): Log & { lines: { level: string; message: string; fields: Record<string, unknown> }[] } {
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, message, fields });
  };
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), lines, child: () => log };
  return log;
}

/** A valid cluster; `change` overrides. */
export function sampleCluster(id: string, change: Partial<Cluster> = {}): Cluster {
  return {
    v: 1,
    id,
    org: 'default',
    name: `name-${id}`,
    provisioner: 'p1',
    provisionerName: 'sandbox',
    engine: 'sandbox',
    externalName: `kq-${id}`,
    phase: 'Ready',
    spec: { region: 'north', nodes: 3 },
    summary: '3 nodes in north',
    purpose: 'a test',
    owner: 'terminal:dev',
    ownerName: 'Dev',
    labels: { team: 'web' },
    createdAt: 1_700_000_000_000,
    place: { chat: 'terminal', workspace: 'local', conversation: 'dev' },
    kubeconfig: false,
    ...change,
  };
}

export function clusterRef(id: string, org = 'default'): Ref<'cluster'> {
  return { kind: 'cluster', org, id };
}

export function secretRef(id: string, org = 'default'): Ref<'secret'> {
  return { kind: 'secret', org, id };
}

export function deliveryRecord(id: string, at: number): RecordOf<'delivery'> {
  return { v: 1, id, org: 'default', at, who: 'terminal:dev', command: 'clusters', effect: 'listed' };
}
