import type { container_v1 } from 'googleapis/build/src/apis/container/index.js';
import { Fault } from '../../core/errors.ts';
import type { ProviderAddon } from '../../core/ports/engine.ts';
import type { ClusterAnswer } from './wire.ts';

type Addons = container_v1.Schema$AddonsConfig;

interface Addon {
  /** Its field of AddonsConfig (container API v1). */
  key: keyof Addons & keyof NonNullable<ClusterAnswer['addonsConfig']>;
  title: string;
  /** Older ones are told by `disabled`, and are on where Google says nothing; the newer ones by `enabled`. */
  told: 'disabled' | 'enabled';
  note?: string;
}

/** Add-ons by the names people write. What needs more than a word (Config Connector, Cloud Run, Lustre …) is left to Google's own tools. */
const addons: Record<string, Addon> = {
  'http-load-balancing': {
    ...{ key: 'httpLoadBalancing', title: 'HTTP load balancing', told: 'disabled' },
    note: 'Without it no Ingress gets an address from Google.',
  },
  'horizontal-pod-autoscaling': {
    ...{ key: 'horizontalPodAutoscaling', title: 'Horizontal pod autoscaling', told: 'disabled' },
    note: 'Without it no HorizontalPodAutoscaler has an effect.',
  },
  'persistent-disk': {
    ...{ key: 'gcePersistentDiskCsiDriverConfig', title: 'Persistent disks', told: 'enabled' },
    note: 'Without it no new disk is made or attached for a volume.',
  },
  'dns-cache': {
    ...{ key: 'dnsCacheConfig', title: 'DNS cache on every node', told: 'enabled' },
    note: 'Google replaces all nodes when it is turned.',
  },
  filestore: { key: 'gcpFilestoreCsiDriverConfig', title: 'Filestore volumes', told: 'enabled' },
  'gcs-fuse': { key: 'gcsFuseCsiDriverConfig', title: 'Cloud Storage volumes', told: 'enabled' },
  backup: { key: 'gkeBackupAgentConfig', title: 'Backup for GKE', told: 'enabled' },
  'stateful-ha': { key: 'statefulHaConfig', title: 'Failover of stateful apps', told: 'enabled' },
  'ray-operator': { key: 'rayOperatorConfig', title: 'Ray operator', told: 'enabled' },
};

export const addonNames = Object.keys(addons);

/** What Google turns on where a create says nothing of add-ons. */
export const usualAddons = ['http-load-balancing', 'horizontal-pod-autoscaling', 'persistent-disk'];

/** The names in a person's list, none for "none"; null when one is not known. */
export function readAddons(text: string): string[] | null {
  const names = text.split(/[\s,]+/).filter(Boolean);
  if (names.length === 1 && names[0] === 'none') return [];
  return names.every((name) => Object.hasOwn(addons, name)) ? names : null;
}

/** What is sent for a list: each known add-on as on or off. */
export function addonsConfig(names: readonly string[]): Addons {
  return configOf(Object.fromEntries(addonNames.map((name) => [name, names.includes(name)])));
}

function configOf(wanted: Record<string, boolean>): Addons {
  const entries = Object.entries(wanted).flatMap(([name, on]) => {
    const addon = Object.hasOwn(addons, name) ? addons[name] : undefined;
    return addon ? [[addon.key, addon.told === 'disabled' ? { disabled: !on } : { enabled: on }]] : [];
  });
  return Object.fromEntries(entries);
}

function isOn({ addonsConfig: config }: ClusterAnswer, { key, told }: Addon): boolean {
  const said = config?.[key];
  return told === 'disabled' ? said?.disabled !== true : said?.enabled === true;
}

/** The add-ons of a cluster, on and off. */
export function addonsOf(cluster: ClusterAnswer): ProviderAddon[] {
  const byItself = cluster.autopilot?.enabled === true;
  return Object.entries(addons).map(([name, addon]) => ({
    ...{ name, title: addon.title, on: isOn(cluster, addon) },
    ...(addon.note ? { note: addon.note } : {}),
    ...(byItself ? { fixed: 'Autopilot decides on its add-ons by itself.' } : {}),
  }));
}

/** What to send so that these add-ons are as wanted; null when they are. Throws `bad-input` for a name that there is not. */
export function addonsChange(cluster: ClusterAnswer, wanted: Record<string, boolean>): Addons | null {
  checkNames(wanted);
  const differ = Object.entries(wanted).filter(([name, on]) => {
    const addon = addons[name];
    return addon !== undefined && isOn(cluster, addon) !== on;
  });
  if (differ.length === 0) return null;
  if (cluster.autopilot?.enabled) {
    throw new Fault('bad-input', 'Autopilot decides on its add-ons by itself.', { field: 'addon' });
  }
  return configOf(Object.fromEntries(differ));
}

/** Throws `bad-input` for an add-on that Google has not, and says which there are. */
export function checkNames(wanted: Record<string, boolean>): void {
  const strange = Object.keys(wanted).find((name) => !addonNames.includes(name));
  if (strange === undefined) return;
  throw new Fault('bad-input', `GKE has no add-on ${strange.slice(0, 60)}.`, {
    field: 'addon',
    next: `It has: ${addonNames.join(', ')}.`,
  });
}
