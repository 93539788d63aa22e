import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Kube } from '../../src/core/ports/kube.ts';
import { openKube } from '../../src/kube/index.ts';
import { make } from '../backup/busy.ts';
import { openTestArchive, type TestArchive } from '../backup/directory-archive.ts';
import { backupInput, drive, planned, restoreInput, testVault } from '../backup/drive.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { at, type BothCluster, itemsOf, SERVERS } from './both.ts';

const group = 'snapshot.storage.k8s.io';
const snapshots = `/apis/${group}/v1`;

function definition(kind: string, plural: string, scope: string, status = true): object {
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    metadata: {
      name: `${plural}.${group}`,
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-csi/external-snapshotter/pull/814' },
    },
    spec: {
      ...{ group, scope, names: { plural, singular: plural.slice(0, -1), kind } },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          ...(status ? { subresources: { status: {} } } : {}),
          schema: { openAPIV3Schema: open },
        },
      ],
    },
  };
}

const cloud = 'pd.csi.storage.gke.io';

describe.each(SERVERS.filter(({ skipped }) => skipped === null))('volumes of backups on $name', (server) => {
  let cluster: BothCluster;
  let archive: TestArchive;
  let kube: Kube;

  beforeAll(async () => {
    cluster = await server.open();
    archive = openTestArchive();
    kube = openKube({ log: keepingLog(), clock: realClock, archive, vault: testVault() });
    const { call } = cluster;
    const volume = (name: string, spec: object, annotations: object = {}) =>
      make(call, '/api/v1/persistentvolumes', {
        metadata: { name, annotations },
        spec: {
          ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], persistentVolumeReclaimPolicy: 'Retain' },
          ...spec,
        },
      });
    await make(call, '/api/v1/namespaces', { metadata: { name: 'shop' } });
    const claimRef = { namespace: 'shop', name: 'data' };
    const byDriver = { 'pv.kubernetes.io/provisioned-by': cloud };
    await volume(
      'disk',
      {
        csi: { driver: cloud, volumeHandle: 'projects/p/zones/z/disks/d' },
        claimRef,
        persistentVolumeReclaimPolicy: 'Delete',
      },
      byDriver,
    );
    await volume('files', { nfs: { server: 'nfs.example.com', path: '/exports' } });
    await volume('scratch', { hostPath: { path: '/srv/scratch' } });
    await make(call, '/api/v1/namespaces/shop/persistentvolumeclaims', {
      metadata: { name: 'data' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: '',
        volumeName: 'disk',
        resources: { requests: { storage: '1Gi' } },
      },
    });
  }, 120_000);
  afterAll(async () => {
    await kube?.close();
    archive?.remove();
    await cluster?.close();
  });

  test('seeds 45: volumes of three drivers get three right paragraphs; a VolumeSnapshot is offered where it can be made', async () => {
    const plan = await planned(kube, cluster.kubeconfig, 'backup.create', backupInput('v1'));
    const said = plan.warnings.filter((each) => each.startsWith('1 volume.'));
    expect(said).toHaveLength(3);
    const [disk = '', host = '', nfs = ''] = [/Google Persistent Disks/, /hostPath/, /NFS/].map(
      (about) => said.find((each) => about.test(each)) ?? '',
    );
    expect(disk).toMatch(/gcloud compute disks snapshot/);
    expect(disk).toMatch(/VolumeSnapshots are not installed/);
    expect(host).toMatch(/folder of one node and go with that node: copy them off it/);
    expect(nfs).toMatch(/back up the exported folder there/);
    const { call } = cluster;
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await make(call, path, definition('VolumeSnapshot', 'volumesnapshots', 'Namespaced'));
    await make(call, path, definition('VolumeSnapshotContent', 'volumesnapshotcontents', 'Cluster'));
    await make(call, path, definition('VolumeSnapshotClass', 'volumesnapshotclasses', 'Cluster', false));
    for (const plural of ['volumesnapshots', 'volumesnapshotcontents', 'volumesnapshotclasses'])
      await expect
        .poll(async () => (await call('GET', `${snapshots}/${plural}`)).status, { timeout: 20_000 })
        .toBe(200);
    const without = await planned(kube, cluster.kubeconfig, 'backup.create', backupInput('v1'));
    expect(without.warnings.join(' ')).toMatch(/no VolumeSnapshotClass for pd\.csi\.storage\.gke\.io/);
    await make(call, `${snapshots}/volumesnapshotclasses`, {
      ...{ apiVersion: `${group}/v1`, kind: 'VolumeSnapshotClass', metadata: { name: 'disks' } },
      ...{ driver: cloud, deletionPolicy: 'Retain' },
    });
    const offered = await planned(kube, cluster.kubeconfig, 'backup.create', backupInput('v1'));
    expect(offered.warnings.join(' ')).toMatch(
      /A VolumeSnapshot can be made of it with the class disks: add snapshots=yes/,
    );
  }, 60_000);

  test('snapshots are made, waited for until they are ready, kept by their handles, and begin restored claims', async () => {
    const { call } = cluster;
    let told = 0;
    /** What the snapshot controller and the driver's sidecar do (external-snapshotter): bind a content, then say that it is ready. */
    async function control(): Promise<void> {
      for (const each of itemsOf(await call('GET', `${snapshots}/volumesnapshots`))) {
        const name = String(at(each, 'metadata.name'));
        const namespace = String(at(each, 'metadata.namespace'));
        if (at(each, 'status.readyToUse') === true) continue;
        told += 1;
        if (told < 5) continue;
        const content = `snapcontent-${name}`;
        await make(call, `${snapshots}/volumesnapshotcontents`, {
          ...{ apiVersion: `${group}/v1`, kind: 'VolumeSnapshotContent', metadata: { name: content } },
          spec: {
            driver: cloud,
            deletionPolicy: 'Retain',
            source: { volumeHandle: 'd' },
            volumeSnapshotRef: { namespace, name },
          },
        });
        const merge = { type: 'application/merge-patch+json' };
        await call('PATCH', `${snapshots}/volumesnapshotcontents/${content}/status`, {
          body: { status: { snapshotHandle: 'snap-77' } },
          ...merge,
        });
        await call('PATCH', `${snapshots}/namespaces/${namespace}/volumesnapshots/${name}/status`, {
          body: { status: { readyToUse: true, boundVolumeSnapshotContentName: content } },
          ...merge,
        });
      }
    }
    const input = backupInput('v2', { snapshots: true });
    const made = await drive(kube, cluster.kubeconfig, 'backup.create', input, { each: control, twice: true });
    expect(made.steps.some(({ note }) => /Snapshots: 0 of 1 ready/.test(note))).toBe(true);
    const manifest = at(JSON.parse(archive.texts().get('default/c1/v2/manifest.json') ?? '{}'), 'manifest');
    expect(at(manifest, 'snapshots')).toEqual([
      {
        namespace: 'shop',
        claim: 'data',
        name: expect.stringMatching(/^kqueen-v2-/),
        ready: true,
        driver: cloud,
        handle: 'snap-77',
      },
    ]);
    const name = String(at(manifest, 'snapshots.0.name'));

    // The namespace is lost, and its VolumeSnapshot with it; the storage still has the snapshot.
    await call('DELETE', `${snapshots}/namespaces/shop/volumesnapshots/${name}`);
    const claim = '/api/v1/namespaces/shop/persistentvolumeclaims/data';
    await call('PATCH', claim, { body: { metadata: { finalizers: null } }, type: 'application/merge-patch+json' });
    await call('DELETE', claim);
    await call('PATCH', claim, { body: { metadata: { finalizers: null } }, type: 'application/merge-patch+json' });
    await expect.poll(async () => (await call('GET', claim)).status, { timeout: 20_000 }).toBe(404);
    const disk = '/api/v1/persistentvolumes/disk';
    await call('DELETE', disk);
    await call('PATCH', disk, { body: { metadata: { finalizers: null } }, type: 'application/merge-patch+json' });
    const plan = await planned(kube, cluster.kubeconfig, 'backup.restore', restoreInput('v2', { same: true }));
    expect(plan.warnings.join(' ')).toMatch(/Say snapshots=yes to begin with its 1 snapshot/);
    const done = await drive(
      kube,
      cluster.kubeconfig,
      'backup.restore',
      restoreInput('v2', { same: true, snapshots: true }),
    );
    expect(done.last.note).toMatch(/is restored/);
    const live = await call('GET', claim);
    expect(at(live.body, 'spec.dataSource')).toEqual({ apiGroup: group, kind: 'VolumeSnapshot', name });
    expect(at(live.body, 'spec.volumeName')).toBeUndefined();
    const again = await call('GET', `${snapshots}/namespaces/shop/volumesnapshots/${name}`);
    const content = String(at(again.body, 'spec.source.volumeSnapshotContentName'));
    const kept = await call('GET', `${snapshots}/volumesnapshotcontents/${content}`);
    expect(at(kept.body, 'spec')).toMatchObject({
      driver: cloud,
      deletionPolicy: 'Retain',
      source: { snapshotHandle: 'snap-77' },
    });
  }, 90_000);
});
