import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { openKube } from '../../src/kube/index.ts';
import { make } from '../backup/busy.ts';
import { backupInput, drive, planned, restoreInput } from '../backup/drive.ts';
import { faultOf } from '../engines/calls.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { at, type BothCluster, itemsOf, SERVERS } from './both.ts';

const velero = '/apis/velero.io/v1';

function definition(kind: string, plural: string): object {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    metadata: { name: `${plural}.velero.io` },
    spec: {
      ...{ group: 'velero.io', scope: 'Namespaced', names: { plural, singular: plural.slice(0, -1), kind } },
      // Velero's own definitions have no status subresource.
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

describe.each(SERVERS.filter(({ skipped }) => skipped === null))('Velero on $name', (server) => {
  let cluster: BothCluster;
  let kube: Kube;

  beforeAll(async () => {
    cluster = await server.open();
    kube = openKube({ log: keepingLog(), clock: realClock });
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    await cluster?.close();
  });

  /** What Velero's server does with the objects of a kind: one phase after the other, as its documents list them. */
  function veleroServer(plural: 'backups' | 'restores', end: object): () => Promise<void> {
    let turns = 0;
    return async () => {
      for (const each of itemsOf(await cluster.call('GET', `${velero}/${plural}`))) {
        if (at(each, 'status.completionTimestamp') !== undefined) continue;
        turns += 1;
        const items = plural === 'backups' ? { itemsBackedUp: 5 } : { itemsRestored: 5 };
        const moving = { phase: 'InProgress', progress: { totalItems: 12, ...items } };
        const status = turns < 3 ? moving : { ...end, completionTimestamp: '2026-01-01T00:00:00Z' };
        await cluster.call('PATCH', `${velero}/namespaces/velero/${plural}/${String(at(each, 'metadata.name'))}`, {
          body: { status },
          type: 'application/merge-patch+json',
        });
      }
    };
  }

  test('without it, and without a storage location, it says so', async () => {
    const ask = () => planned(kube, cluster.kubeconfig, 'backup.velero', backupInput('v0'));
    expect(await faultOf(ask())).toMatchObject({
      kind: 'unsupported',
      message: 'Velero is not installed in this cluster.',
    });
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const kinds = { BackupStorageLocation: 'backupstoragelocations', Backup: 'backups', Restore: 'restores' };
    for (const [kind, plural] of Object.entries(kinds)) {
      await make(cluster.call, path, definition(kind, plural));
      await expect
        .poll(async () => (await cluster.call('GET', `${velero}/${plural}`)).status, { timeout: 20_000 })
        .toBe(200);
    }
    expect(await faultOf(ask())).toMatchObject({
      kind: 'conflict',
      message: expect.stringMatching(/no BackupStorageLocation/),
    });
    await make(cluster.call, '/api/v1/namespaces', { metadata: { name: 'velero' } });
    await make(cluster.call, `${velero}/namespaces/velero/backupstoragelocations`, {
      ...{ apiVersion: 'velero.io/v1', kind: 'BackupStorageLocation', metadata: { name: 'default' } },
      ...{ spec: { provider: 'aws', default: true, objectStorage: { bucket: 'b' } }, status: { phase: 'Available' } },
    });
    expect((await ask()).facts).toContainEqual({ label: 'Kept by', value: 'Velero, in its namespace velero' });
  }, 60_000);

  test('a backup and its restore are followed to their ends, each asked for once', async () => {
    const each = veleroServer('backups', {
      phase: 'Completed',
      warnings: 1,
      progress: { totalItems: 12, itemsBackedUp: 12 },
    });
    const input = backupInput('v1', { namespaces: ['shop'] });
    const made = await drive(kube, cluster.kubeconfig, 'backup.velero', input, { each, twice: true });
    expect(made.steps.map(({ note }) => note)).toContain('Velero: InProgress, 5 of 12 items.');
    expect(made.last).toMatchObject({
      note: 'Velero keeps 12 items as kqueen-v1.',
      progress: { summary: { objects: 12 } },
    });
    const backups = itemsOf(await cluster.call('GET', `${velero}/backups`));
    expect(backups).toHaveLength(1);
    expect(at(backups[0], 'spec')).toEqual({
      includedNamespaces: ['shop'],
      excludedResources: ['secrets'],
      snapshotVolumes: false,
    });
    const over = restoreInput('v1', { existing: 'overwrite' });
    expect((await planned(kube, cluster.kubeconfig, 'backup.velero-restore', over)).warnings[0]).toMatch(/no dry run/);
    const done = await drive(kube, cluster.kubeconfig, 'backup.velero-restore', over, {
      each: veleroServer('restores', { phase: 'Completed', progress: { totalItems: 12, itemsRestored: 12 } }),
    });
    expect(done.last.note).toBe('Velero has restored 12 items as kqueen-v1-r1.');
    const [restore] = itemsOf(await cluster.call('GET', `${velero}/restores`));
    expect(at(restore, 'spec')).toMatchObject({ backupName: 'kqueen-v1', existingResourcePolicy: 'update' });
    const unknown = await faultOf(planned(kube, cluster.kubeconfig, 'backup.velero-restore', restoreInput('v9')));
    expect(unknown.message).toMatch(/does not know the backup kqueen-v9/);
  }, 60_000);

  test('what ends in part or fails is told with its errors', async () => {
    const each = veleroServer('backups', {
      phase: 'PartiallyFailed',
      errors: 3,
      warnings: 1,
      progress: { totalItems: 12, itemsBackedUp: 9 },
    });
    const partly = await faultOf(drive(kube, cluster.kubeconfig, 'backup.velero', backupInput('v2'), { each }));
    expect(partly.message).toBe(
      "Velero's backup kqueen-v2 ended as PartiallyFailed: 3 errors, 1 warning. What it could do is done and stays.",
    );
    expect(partly.next).toMatch(/velero backup logs kqueen-v2/);
    const refused = veleroServer('backups', {
      phase: 'FailedValidation',
      validationErrors: ['the storage location is read-only'],
    });
    const fault = await faultOf(drive(kube, cluster.kubeconfig, 'backup.velero', backupInput('v3'), { each: refused }));
    expect(fault.message).toMatch(/FailedValidation.*the storage location is read-only/);
  }, 60_000);
});
