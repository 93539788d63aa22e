import type { container_v1 } from 'googleapis/build/src/apis/container/index.js';

type Addons = container_v1.Schema$AddonsConfig;

/**
 * Add-ons by the names people write, and how Google is told of them (AddonsConfig of the container API). Some are told by `disabled`, the
 * newer ones by `enabled`.
 */
const addons: Record<string, (on: boolean) => Addons> = {
  'http-load-balancing': (on) => ({ httpLoadBalancing: { disabled: !on } }),
  'horizontal-pod-autoscaling': (on) => ({ horizontalPodAutoscaling: { disabled: !on } }),
  'persistent-disk': (on) => ({ gcePersistentDiskCsiDriverConfig: { enabled: on } }),
  'dns-cache': (on) => ({ dnsCacheConfig: { enabled: on } }),
  filestore: (on) => ({ gcpFilestoreCsiDriverConfig: { enabled: on } }),
  'gcs-fuse': (on) => ({ gcsFuseCsiDriverConfig: { enabled: on } }),
  backup: (on) => ({ gkeBackupAgentConfig: { enabled: on } }),
  'stateful-ha': (on) => ({ statefulHaConfig: { enabled: on } }),
  'ray-operator': (on) => ({ rayOperatorConfig: { enabled: on } }),
};

export const addonNames = Object.keys(addons);

/** The names in a person's list, none for "none"; null when one is not known. */
export function readAddons(text: string): string[] | null {
  const names = text.split(/[\s,]+/).filter(Boolean);
  if (names.length === 1 && names[0] === 'none') return [];
  return names.every((name) => Object.hasOwn(addons, name)) ? names : null;
}

/** What is sent for a list: each known add-on as on or off. */
export function addonsConfig(names: readonly string[]): Addons {
  return Object.assign({}, ...Object.entries(addons).map(([name, config]) => config(names.includes(name)))) as Addons;
}
