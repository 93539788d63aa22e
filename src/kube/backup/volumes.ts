/** What a backup of objects does not hold: the contents of volumes. How to save them depends on the driver of each. */
import { isObject, type JsonObject, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { eachListed } from '../views/pages.ts';
import type { VolumeMark } from './format.ts';
import { outOfScope } from './strip.ts';

/** What is known of the snapshots that a cluster can make. */
export interface SnapshotMeans {
  /** Whether the definitions of snapshot.storage.k8s.io/v1 are there. */
  present: boolean;
  /** Name of the VolumeSnapshotClass to use, by driver. */
  classes: Map<string, string>;
}

/** Drivers of the large clouds and of OpenStack, and what their snapshots are called there. */
const clouds: Record<string, { name: string; by: string }> = {
  'pd.csi.storage.gke.io': { name: 'Google Persistent Disks', by: '`gcloud compute disks snapshot`' },
  'filestore.csi.storage.gke.io': { name: 'Google Filestore shares', by: '`gcloud filestore backups create`' },
  'disk.csi.azure.com': { name: 'Azure Disks', by: '`az snapshot create`' },
  'file.csi.azure.com': { name: 'Azure Files shares', by: '`az storage share snapshot`, or Azure Backup' },
  'blob.csi.azure.com': { name: 'Azure Blob containers', by: 'point-in-time restore of the storage account' },
  'ebs.csi.aws.com': { name: 'Amazon EBS volumes', by: '`aws ec2 create-snapshot`' },
  'efs.csi.aws.com': { name: 'Amazon EFS file systems', by: 'AWS Backup' },
  'cinder.csi.openstack.org': { name: 'OpenStack Cinder volumes', by: '`openstack volume backup create`' },
  'manila.csi.openstack.org': { name: 'OpenStack Manila shares', by: '`openstack share snapshot create`' },
  'rbd.csi.ceph.com': { name: 'Ceph RBD images', by: '`rbd snap create`' },
  'cephfs.csi.ceph.com': { name: 'CephFS subvolumes', by: '`ceph fs subvolume snapshot create`' },
  'csi.vsphere.vmware.com': { name: 'vSphere volumes', by: 'a backup of the datastore' },
  'driver.longhorn.io': { name: 'Longhorn volumes', by: "Longhorn's own backups" },
};

/** Drivers that were part of Kubernetes before CSI; the source's field in a PersistentVolume, and the driver that took over. */
const inTree: Record<string, string> = {
  gcePersistentDisk: 'pd.csi.storage.gke.io',
  awsElasticBlockStore: 'ebs.csi.aws.com',
  azureDisk: 'disk.csi.azure.com',
  azureFile: 'file.csi.azure.com',
  cinder: 'cinder.csi.openstack.org',
  vsphereVolume: 'csi.vsphere.vmware.com',
  rbd: 'rbd.csi.ceph.com',
  cephfs: 'cephfs.csi.ceph.com',
};

/** What a PersistentVolume is made by: the driver of CSI, or the name of the source in its spec. */
export function driverOf(volume: JsonObject): string {
  const spec = objectAt(volume, 'spec');
  if (isObject(spec.csi)) return String(spec.csi.driver ?? 'csi');
  const known = ['nfs', 'hostPath', 'local', ...Object.keys(inTree), 'iscsi', 'fc', 'flexVolume', 'portworxVolume'];
  return known.find((each) => isObject(spec[each])) ?? 'unknown';
}

/** What is not saved of the volumes of a driver, and how to save it, in a few sentences. */
export function guidance(driver: string, means: SnapshotMeans): string {
  const now = 'KQueen keeps the volume and its claim as objects, not what is in it.';
  switch (driver) {
    case 'nfs':
      return `NFS: ${now} The files stay on the NFS server: back up the exported folder there, with its own tools. A restored claim finds them again as long as the server and path are the same.`;
    case 'hostPath':
      return `hostPath: ${now} The files are in a folder of one node and go with that node: copy them off it, from a pod on that node (\`kubectl cp\`) or on the node itself, and move to a volume that outlives nodes.`;
    case 'local':
      return `Local disk: ${now} The files are on a disk of one node and go with it: copy them from a pod that has the volume (\`kubectl cp\`, or a dump of the database). In another cluster the volume finds no such node.`;
    case 'iscsi':
    case 'fc':
      return `${driver === 'fc' ? 'Fibre Channel' : 'iSCSI'}: ${now} The blocks stay on the storage array: take a snapshot there, while nothing writes.`;
    case 'unknown':
      return `A volume of a kind that KQueen does not know: ${now} Ask whoever runs the storage how it is backed up.`;
  }
  const csi = inTree[driver] ?? driver;
  const cloud = Object.hasOwn(clouds, csi) ? clouds[csi] : undefined;
  const name = cloud?.name ?? (driver in inTree ? driver : `Volumes of the CSI driver ${driver}`);
  const provider = cloud
    ? `save it at the provider with ${cloud.by}`
    : "save it with the snapshots or backups of the driver's storage";
  const old = driver in inTree ? ` The volume is of the old driver \`${driver}\`; ${csi} serves it since.` : '';
  return `${name}: ${now}${old} ${snapshotWords(csi, driver in inTree, means, provider)}`;
}

function snapshotWords(csi: string, old: boolean, means: SnapshotMeans, provider: string): string {
  const Provider = `${provider[0]?.toUpperCase() ?? ''}${provider.slice(1)}`;
  const dump = 'Databases are safest as a dump of their own.';
  if (old) return `Snapshots through Kubernetes need a volume of the new driver, so ${provider}. ${dump}`;
  const named = means.classes.get(csi);
  if (means.present && named !== undefined)
    return `A VolumeSnapshot can be made of it with the class ${named}: add snapshots=yes. Or ${provider}. ${dump}`;
  if (means.present)
    return `The cluster can make VolumeSnapshots, but has no VolumeSnapshotClass for ${csi}: make one, then add snapshots=yes. Or ${provider}. ${dump}`;
  return `${Provider}. VolumeSnapshots are not installed in this cluster. ${dump}`;
}

/** What snapshots a cluster can make; nothing where the definitions are not there or cannot be read. */
export async function snapshotMeans(
  talk: Talk,
  served: readonly { group: string; plural: string }[],
): Promise<SnapshotMeans> {
  const has = (plural: string) =>
    served.some((each) => each.group === 'snapshot.storage.k8s.io' && each.plural === plural);
  const means: SnapshotMeans = { present: has('volumesnapshots'), classes: new Map() };
  if (!means.present || !has('volumesnapshotclasses')) return means;
  await eachListed(talk, '/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses', (each) => {
    const driver = String(each.driver ?? '');
    const annotations = objectAt(each, 'metadata', 'annotations');
    const chosen = annotations['snapshot.storage.kubernetes.io/is-default-class'] === 'true';
    if (chosen || !means.classes.has(driver)) means.classes.set(driver, String(objectAt(each, 'metadata').name ?? ''));
  });
  return means;
}

const volumeKind = {
  group: '',
  version: 'v1',
  plural: 'persistentvolumes',
  kind: 'PersistentVolume',
  namespaced: false,
};

/** The volumes of a cluster that are in scope, by driver, with what to do about each. */
export async function readVolumes(
  talk: Talk,
  namespaces: readonly string[],
  means: SnapshotMeans,
): Promise<VolumeMark[]> {
  const found = new Map<string, VolumeMark>();
  await eachListed(talk, '/api/v1/persistentvolumes', (volume) => {
    if (outOfScope(volumeKind, volume, namespaces) !== null) return;
    const driver = driverOf(volume);
    const mark = found.get(driver) ?? { driver, volumes: 0, claims: [], guidance: guidance(driver, means) };
    found.set(driver, mark);
    mark.volumes += 1;
    const claim = objectAt(volume, 'spec', 'claimRef');
    if (typeof claim.name === 'string' && mark.claims.length < 20)
      mark.claims.push(`${String(claim.namespace ?? '')}/${claim.name}`);
  });
  return [...found.values()].sort((a, b) => b.volumes - a.volumes || (a.driver < b.driver ? -1 : 1));
}

/** Claims that hold a volume of a CSI driver: what snapshots can be made of. Keyed by the volume's name. */
export async function csiVolumes(talk: Talk): Promise<Map<string, string>> {
  const drivers = new Map<string, string>();
  await eachListed(talk, '/api/v1/persistentvolumes', (volume) => {
    const csi = objectAt(volume, 'spec', 'csi').driver;
    if (typeof csi === 'string') drivers.set(String(objectAt(volume, 'metadata').name ?? ''), csi);
  });
  return drivers;
}

/** Whether a volume was made for its claim and goes with it: another cluster makes its own, empty one. */
export function madeOnDemand(volume: JsonObject): boolean {
  const annotations = objectAt(volume, 'metadata', 'annotations');
  const spec = objectAt(volume, 'spec');
  return (
    annotations['pv.kubernetes.io/provisioned-by'] !== undefined && spec.persistentVolumeReclaimPolicy !== 'Retain'
  );
}
