import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import type { Vault } from '../../src/core/ports/archive.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import { openKube } from '../../src/kube/index.ts';
import { makeBusy, type Secrets } from '../backup/busy.ts';
import { openTestArchive, type TestArchive } from '../backup/directory-archive.ts';
import { backupInput, drive, planned, restoreInput, testVault } from '../backup/drive.ts';
import { callFor, faultOf } from '../engines/calls.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { at, type BothCluster, itemsOf, SERVERS } from './both.ts';
import { limitedKubeconfig } from './limited.ts';

const args = (id: string) => ({ org: 'default', cluster: 'c1', id });

describe.each(SERVERS.filter(({ skipped }) => skipped === null))('backups on $name', (server) => {
  let busy: BothCluster;
  let empty: BothCluster;
  let archive: TestArchive;
  let vault: Vault;
  let kube: Kube;
  let secrets: Secrets;

  beforeAll(async () => {
    busy = await server.open();
    empty = await server.open();
    archive = openTestArchive();
    vault = testVault();
    kube = openKube({ log: keepingLog(), clock: realClock, archive, vault });
    secrets = await makeBusy(busy.call);
  }, 180_000);
  afterAll(async () => {
    await kube?.close();
    archive?.remove();
    await busy?.close();
    await empty?.close();
  });

  /** The objects of a backup, as they are kept. */
  function linesOf(id: string): Record<string, unknown>[] {
    return [...archive.texts()]
      .filter(([key]) => key.startsWith(`default/c1/${id}/objects-`))
      .flatMap(([, text]) => text.trim().split('\n'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
  const manifestOf = (id: string): unknown =>
    at(JSON.parse(archive.texts().get(`default/c1/${id}/manifest.json`) ?? '{}'), 'manifest');
  const diff = (to: BothCluster, id: string) =>
    kube.look(to.kubeconfig, 'backup.diff', { ...args(id), name: 'it' }, callFor(20_000));

  test('a busy cluster restored into an empty one: the two differ in nothing that a backup keeps', async () => {
    const made = await drive(kube, busy.kubeconfig, 'backup.create', backupInput('full', { secrets: true }));
    expect(made.last.note).toMatch(/^\d+ objects of \d+ kinds are kept as backup full, .*, read back and whole\.$/);
    const done = await drive(kube, empty.kubeconfig, 'backup.restore', restoreInput('full'));
    expect(done.last.note).toMatch(/^Backup full of shop is restored: \d+ made, \d+ there already\.$/);
    expect((await diff(empty, 'full')).text).toMatch(/Nothing differs: \d+ objects are the same\./);
    // Seen past KQueen: what differs is what a cluster draws or decides for itself.
    for (const path of [
      '/apis/apps/v1/namespaces/shop/deployments/web',
      '/api/v1/namespaces/shop/services/web',
      '/apis/example.com/v1/namespaces/blog/widgets/big',
      '/apis/example.com/v1/plants/oak',
      '/api/v1/namespaces/blog/secrets/database',
    ]) {
      const [before, after] = [await busy.call('GET', path), await empty.call('GET', path)];
      expect(after.status, path).toBe(200);
      const differing = differences(before.body, after.body).filter(
        (each) => !/^(status|metadata\.managedFields)/.test(each),
      );
      const drawn =
        /^(metadata\.(uid|resourceVersion|creationTimestamp|generation|annotations.*)|spec\.(clusterIPs?|ports)\b.*)$/;
      expect(
        differing.filter((each) => !drawn.test(each)),
        path,
      ).toEqual([]);
    }
    // Its claims hold the same folders again.
    const claim = await empty.call('GET', '/api/v1/namespaces/shop/persistentvolumeclaims/files');
    expect(at(claim.body, 'spec.volumeName')).toBe('files-shop');
  }, 120_000);

  test('a backup with Secrets holds no plain secret byte anywhere in the archive', async () => {
    const texts = [...archive.texts().values()].join('\n');
    for (const secret of Object.values(secrets)) {
      expect(texts).not.toContain(secret);
      expect(texts).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
    }
    const kept = linesOf('full').filter(({ kind }) => kind === 'Secret');
    expect(kept).toHaveLength(4);
    expect(Object.keys(kept[0] ?? {}).sort()).toEqual(['apiVersion', 'kind', 'metadata', 'sealed']);
    // And it is sealed for its own place alone.
    const other = kept.find((each) => at(each, 'metadata.name') === 'unused');
    expect(() => vault.open('backup/default/c1/full/shop/database', String(other?.sealed))).toThrow(Fault);
  });

  test('seeds 44: the archive applies again on an empty cluster, server fields stripped, counts on the card', async () => {
    const plan = await planned(kube, busy.kubeconfig, 'backup.create', backupInput('plain', { namespaces: ['shop'] }));
    expect(plan.disturbs).toMatch(/Nobody/);
    expect(plan.warnings.join(' ')).toMatch(/2 Secrets are not in it\. Needed: shop\/database \(Deployment web\)/);
    const made = await drive(kube, busy.kubeconfig, 'backup.create', backupInput('plain', { namespaces: ['shop'] }));
    const lines = linesOf('plain');
    expect(made.last.result).toContainEqual({ label: 'Objects', value: String(lines.length) });
    expect(manifestOf('plain')).toMatchObject({
      secretsLeft: 2,
      secretsNeeded: [{ secret: 'shop/database', by: ['Deployment web'] }],
    });
    for (const line of lines) {
      expect(line).not.toHaveProperty('status');
      for (const field of ['uid', 'resourceVersion', 'managedFields', 'creationTimestamp', 'generation', 'selfLink'])
        expect(line.metadata).not.toHaveProperty(field);
      expect(['shop', undefined]).toContain(at(line, 'metadata.namespace'));
    }
    const kinds = lines.map(({ kind }) => String(kind));
    for (const never of [
      'Event',
      'Endpoints',
      'EndpointSlice',
      'ReplicaSet',
      'Pod',
      'ControllerRevision',
      'Secret',
      'Node',
      'Lease',
      'ClusterRole',
    ])
      expect(kinds).not.toContain(never);
    const services = lines.filter(({ kind }) => kind === 'Service');
    expect(services.map((each) => at(each, 'spec.clusterIP')).sort()).toEqual(['None', undefined]);
    expect(services.flatMap((each) => at(each, 'spec.ports.0.nodePort') ?? [])).toEqual([]);
    expect(kinds.indexOf('CustomResourceDefinition')).toBe(0);
    expect(kinds.indexOf('Namespace')).toBeLessThan(kinds.indexOf('Deployment'));
    expect(kinds.indexOf('Deployment')).toBeLessThan(kinds.indexOf('Service'));
    const shown = await kube.lookKept('backup.show', args('plain'), callFor());
    expect(shown.text).toMatch(new RegExp(`Backup plain of shop: ${lines.length} objects`));
    expect(shown.text).toMatch(/there and as (it was|they were) written/);
  });

  test('seeds 46: a restore shows by dry run what it would do, keeps what is there, or sets it back', async () => {
    const web = '/apis/apps/v1/namespaces/shop/deployments/web';
    const type = 'application/merge-patch+json';
    await empty.call('PATCH', web, { body: { spec: { replicas: 5 } }, type });
    await empty.call('DELETE', '/api/v1/namespaces/shop/configmaps/settings');
    expect(JSON.stringify(await diff(empty, 'full'))).toMatch(/- ConfigMap shop\/settings.*spec\.replicas: 2 → 5/);

    const careful = await planned(kube, empty.kubeconfig, 'backup.restore', restoreInput('full', { restore: 'r2' }));
    expect(careful.facts).toContainEqual({
      label: 'Objects',
      value: expect.stringMatching(/^1 new, 0 changed, \d+ unchanged, 0 in conflict, 0 refused$/),
    });
    expect(careful.detail).toContain('+ ConfigMap shop/settings');
    await drive(kube, empty.kubeconfig, 'backup.restore', restoreInput('full', { restore: 'r2' }));
    expect(at((await empty.call('GET', web)).body, 'spec.replicas')).toBe(5);
    expect((await empty.call('GET', '/api/v1/namespaces/shop/configmaps/settings')).status).toBe(200);

    const over = restoreInput('full', { restore: 'r3', existing: 'overwrite', namespaces: ['shop'] });
    const bold = await planned(kube, empty.kubeconfig, 'backup.restore', over);
    expect(bold.detail).toMatch(/~ Deployment shop\/web\n {4}~ spec\.replicas: 5 → 2/);
    expect(bold.disturbs).toMatch(/Deployment shop\/web/);
    // Planning has changed nothing.
    expect(at((await empty.call('GET', web)).body, 'spec.replicas')).toBe(5);
    const done = await drive(kube, empty.kubeconfig, 'backup.restore', over);
    expect(done.last.note).toMatch(/1 changed/);
    expect(at((await empty.call('GET', web)).body, 'spec.replicas')).toBe(2);
    expect((await diff(empty, 'full')).text).toMatch(/Nothing differs/);
    const nothing = await planned(kube, empty.kubeconfig, 'backup.restore', restoreInput('full', { restore: 'r4' }));
    expect(nothing.nothing).toMatch(/Everything of backup full is there already/);
  }, 60_000);

  test('every step twice, as after crashes before its word was saved: the same backup, the same restore', async () => {
    const twice = (kubeconfig: string, op: string, input: Record<string, unknown>) =>
      drive(kube, kubeconfig, op, input, { twice: true });
    await twice(busy.kubeconfig, 'backup.create', backupInput('twice', { namespaces: ['blog'] }));
    expect(
      (await kube.lookKept('backup.diff', { ...args('twice'), otherCluster: 'c1', otherId: 'twice' }, callFor())).text,
    ).toMatch(/Nothing differs/);
    const keys = archive.keys().filter((key) => key.startsWith('default/c1/twice/'));
    const named = (at(manifestOf('twice'), 'chunks') as [string][]).map(([name]) => `default/c1/twice/${name}`);
    expect(keys.sort()).toEqual([...named, 'default/c1/twice/manifest.json', 'default/c1/twice/resources.json'].sort());
    await empty.call('DELETE', '/apis/apps/v1/namespaces/blog/deployments/web');
    await empty.call('DELETE', '/api/v1/namespaces/blog/configmaps/settings');
    const gone = async () => (await empty.call('GET', '/apis/apps/v1/namespaces/blog/deployments/web')).status === 404;
    await expect.poll(gone, { timeout: 20_000 }).toBe(true);
    const done = await twice(empty.kubeconfig, 'backup.restore', restoreInput('twice', { restore: 'r5' }));
    expect(done.last.note).toMatch(/: 2 made, /);
  }, 60_000);

  test('a part that is missing or altered is found and named wherever the backup is read', async () => {
    await drive(kube, busy.kubeconfig, 'backup.create', backupInput('hurt', { namespaces: ['blog'] }));
    const chunk = archive.keys().find((key) => key.startsWith('default/c1/hurt/objects-')) ?? '';
    const name = chunk.split('/').at(-1) ?? '';
    const all = async (): Promise<string[]> => [
      (await kube.lookKept('backup.show', args('hurt'), callFor())).text,
      (await faultOf(diff(empty, 'hurt'))).message,
      (await faultOf(planned(kube, empty.kubeconfig, 'backup.restore', restoreInput('hurt')))).message,
      (await faultOf(drive(kube, empty.kubeconfig, 'backup.restore', restoreInput('hurt')))).message,
    ];
    writeFileSync(join(archive.dir, chunk), gzipSync('{"kind":"ConfigMap"}\n'));
    for (const text of await all()) expect(text).toContain(`its part ${name} is not what was written`);
    await archive.delete(chunk, callFor());
    for (const text of await all()) expect(text).toContain(`its part ${name} is missing`);
    await archive.delete('default/c1/hurt/manifest.json', callFor());
    expect((await faultOf(kube.lookKept('backup.show', args('hurt'), callFor()))).kind).toBe('not-found');
  });

  test('what KQueen may not read is said in the manifest; when it may read nothing, there is no backup', async () => {
    const some = await limitedKubeconfig(busy, 'some', [
      {
        apiGroups: ['', 'example.com'],
        resources: ['namespaces', 'configmaps', 'widgets', 'services'],
        verbs: ['get', 'list'],
      },
    ]);
    const made = await drive(kube, some, 'backup.create', backupInput('some'));
    expect(made.last.note).toMatch(/Not all that was wanted is in it/);
    expect(at(made.last.progress, 'summary.partial')).toBe(true);
    const unread = (at(manifestOf('some'), 'unread') as { what: string; why: string }[]).map(({ what }) => what);
    expect(unread).toEqual(
      expect.arrayContaining([
        'deployments.apps',
        'persistentvolumes',
        'customresourcedefinitions.apiextensions.k8s.io',
      ]),
    );
    expect(unread).not.toContain('configmaps');
    const none = await limitedKubeconfig(busy, 'none', []);
    const fault = await faultOf(drive(kube, none, 'backup.create', backupInput('none')));
    expect(fault.kind).toBe('not-allowed');
    expect(archive.keys()).not.toContain('default/c1/none/manifest.json');
  }, 60_000);

  test('kinds that the target does not serve are named, in the plan and at the end; the rest is restored', async () => {
    const bare = await server.open();
    try {
      const plan = await planned(kube, bare.kubeconfig, 'backup.restore', restoreInput('some'));
      expect(plan.warnings.join(' ')).toMatch(
        /2 objects cannot be restored: this cluster does not serve Widget of example\.com\/v1/,
      );
      expect(plan.facts).toContainEqual({
        label: 'Versions',
        value: expect.stringMatching(/which does not serve 1 of its kinds/),
      });
      const fault = await faultOf(drive(kube, bare.kubeconfig, 'backup.restore', restoreInput('some')));
      expect(fault.message).toMatch(
        /is restored in part: \d+ made.*; 2 objects not\..*2 of Widget of example\.com\/v1/,
      );
      expect(fault.retryable).toBe(false);
      expect((await bare.call('GET', '/api/v1/namespaces/shop/configmaps/settings')).status).toBe(200);
    } finally {
      await bare.close();
    }
  }, 120_000);

  test('objects that a cluster refuses are named one by one, and the others are made', async () => {
    await empty.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'tight' } } });
    await busy.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'tight' } } });
    for (const name of ['a', 'b', 'c'])
      await busy.call('POST', '/api/v1/namespaces/tight/configmaps', { body: { metadata: { name } } });
    await drive(kube, busy.kubeconfig, 'backup.create', backupInput('tight', { namespaces: ['tight'] }));
    const quota = { metadata: { name: 'few' }, spec: { hard: { 'count/configmaps': '2' } } };
    await empty.call('POST', '/api/v1/namespaces/tight/resourcequotas', { body: quota });
    await expect
      .poll(
        async () =>
          at((await empty.call('GET', '/api/v1/namespaces/tight/resourcequotas/few')).body, 'status.hard') !==
          undefined,
        { timeout: 20_000 },
      )
      .toBe(true);
    const fault = await faultOf(
      drive(kube, empty.kubeconfig, 'backup.restore', restoreInput('tight', { restore: 'r6' })),
    );
    expect(fault.message).toMatch(/is restored in part/);
    expect(fault.detail).toMatch(/A quota of the cluster refuses ConfigMap tight\//);
    const there = itemsOf(await empty.call('GET', '/api/v1/namespaces/tight/configmaps')).map((each) =>
      at(each, 'metadata.name'),
    );
    expect(there.filter((name) => ['a', 'b', 'c'].includes(String(name))).length).toBeLessThan(3);
  }, 60_000);

  test('an archive that is full or away in the middle stops or delays it, and it goes on from where it was', async () => {
    let puts = 0;
    archive.fail.put = (key) => {
      if (!key.includes('/full2/objects-')) return null;
      puts += 1;
      return puts === 1 ? new Fault('unreachable', 'The place for backups does not answer.') : null;
    };
    const input = backupInput('full2', { namespaces: ['shop'] });
    const faults: Fault[] = [];
    const made = await drive(kube, busy.kubeconfig, 'backup.create', input, { retry: (fault) => faults.push(fault) });
    expect(faults.map(({ kind }) => kind)).toEqual(['unreachable']);
    expect(made.last.state).toBe('done');
    archive.fail.put = () => new Fault('quota', 'The disk of the place for backups is full.');
    const full = await faultOf(drive(kube, busy.kubeconfig, 'backup.create', backupInput('full3')));
    expect(full).toMatchObject({ kind: 'quota', message: 'The disk of the place for backups is full.' });
    archive.fail = {};
  });

  test('a KQueen without a place for backups says so', async () => {
    const without = openKube({ log: keepingLog(), clock: realClock });
    const fault = await faultOf(planned(without, busy.kubeconfig, 'backup.create', backupInput('x')));
    expect(fault).toMatchObject({ kind: 'unsupported', next: 'An admin sets KQUEEN_BACKUP_URL.' });
    await without.close();
  });
});

/** Paths of the leaves that differ. */
function differences(a: unknown, b: unknown, path = ''): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return [path];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) =>
    differences(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      path === '' ? key : `${path}.${key}`,
    ),
  );
}
