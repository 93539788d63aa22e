import { z } from 'zod';
import { field } from '../../core/schema.ts';
import { addressField, caBundleField } from '../fields.ts';
import { priceField } from '../price-list.ts';
import { addonNames, readAddons } from './addons.ts';
import { overlap, readCidr } from './cidr.ts';
import { readKey } from './key.ts';
import { isZone, locationPattern, regionOf, zoneCount, zonesOf } from './place.ts';

const location = z
  .string()
  .trim()
  .max(63)
  .regex(locationPattern, 'Write a region such as europe-west3 or a zone such as europe-west3-a.');

/** Where Google is and how to sign in there. */
export const GkeProvisioner = z
  .object({
    serviceAccountKey: field(z.string().min(1).max(20_000).superRefine(checkKey), {
      label: 'Service account key',
      help: 'The whole JSON file of `gcloud iam service-accounts keys create key.json --iam-account=…`. The guide lists the roles it needs.',
      secret: true,
      multiline: true,
      order: 1,
    }),
    project: field(
      z
        .string()
        .trim()
        .regex(
          /^[a-z0-9][a-z0-9.:-]{2,78}[a-z0-9]$/,
          'Write the id of the project, such as my-project-123, not its name.',
        )
        .optional(),
      {
        label: 'Project',
        help: 'Id of the project that the clusters are made in; the project of the key when it is empty (`gcloud config get project`).',
        example: 'my-project-123',
        order: 2,
      },
    ),
    defaultLocation: field(location.optional(), {
      label: 'Usual location',
      help: 'Region or zone that is offered first; its versions and machine types are shown before one is chosen.',
      example: 'europe-west3',
      order: 3,
    }),
    apiEndpoint: addressField({
      label: 'API address',
      help: 'Only for private access or another cloud than the public one; otherwise https://container.googleapis.com. Zones and machine types are then asked for at the same address.',
      example: 'https://container.googleapis.com',
      order: 4,
    }).optional(),
    tokenUrl: addressField({
      label: 'Token address',
      help: 'Only for private access or another cloud than the public one; otherwise https://oauth2.googleapis.com/token.',
      example: 'https://oauth2.googleapis.com/token',
      order: 5,
    }).optional(),
    caBundle: caBundleField('PEM certificates to trust at these two addresses instead of the public authorities.', 6),
    prices: priceField(7),
  })
  .superRefine((params, context) => {
    const read = readKey(params.serviceAccountKey);
    if (!('key' in read)) return;
    if (!params.project && !read.key.project) {
      context.addIssue({
        code: 'custom',
        path: ['project'],
        message: 'The key does not name a project: write its id here.',
      });
    }
    const { universe } = read.key;
    if (universe === 'googleapis.com') return;
    for (const path of ['apiEndpoint', 'tokenUrl'] as const) {
      if (params[path]) continue;
      const message = `This key belongs to the cloud ${universe.slice(0, 80)}, whose address has to be given here.`;
      context.addIssue({ code: 'custom', path: [path], message });
    }
  });
export type GkeProvisioner = z.infer<typeof GkeProvisioner>;

function checkKey(text: string, context: z.RefinementCtx): void {
  const read = readKey(text);
  if ('problem' in read) context.addIssue({ code: 'custom', message: read.problem });
}

/** Most nodes that a person may ask for in one pool (https://cloud.google.com/kubernetes-engine/quotas: 1,000 nodes per pool and zone). */
export const mostNodes = 1_000;

export const releaseChannels = ['REGULAR', 'STABLE', 'RAPID', 'EXTENDED', 'none'] as const;

const versionPattern = /^1\.\d{1,3}(\.\d{1,3}(-gke\.\d{1,10})?)?$/;
const networkPattern =
  /^(projects\/[a-z0-9.:-]+\/(global\/networks|regions\/[a-z0-9-]+\/subnetworks)\/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

const cidr = z
  .string()
  .trim()
  .max(20)
  .refine(
    (text) => readCidr(text) !== null,
    'Write a range such as 10.8.0.0/14 that begins at its first address, or only its size, /14.',
  )
  .refine((text) => {
    const bits = readCidr(text)?.bits ?? 20;
    return bits >= 8 && bits <= 28;
  }, 'The size must be between /8 and /28.');

const nodeCount = (least: number) => z.number().int().min(least).max(mostNodes);

function shape(leastNodes: number) {
  return {
    location: field(location, {
      label: 'Location',
      help: 'A zone (europe-west3-a) has one control plane and costs least; a region (europe-west3) has three, and nodes in three zones.',
      example: 'europe-west3-a',
      live: true,
      order: 1,
    }),
    autopilot: field(z.boolean().default(false), {
      label: 'Autopilot',
      help: 'Google makes the nodes as workloads need them and bills the pods. Needs a region; everything about nodes stays empty.',
      order: 2,
    }),
    releaseChannel: field(z.enum(releaseChannels).default('REGULAR'), {
      label: 'Release channel',
      help: 'How soon Google upgrades by itself: RAPID first, then REGULAR, STABLE, EXTENDED; none leaves the upgrades to you.',
      order: 3,
    }),
    version: field(
      z.string().trim().max(40).regex(versionPattern, 'Write a version such as 1.34 or 1.34.1-gke.1829001.').optional(),
      {
        label: 'Kubernetes version',
        help: "Empty takes the channel's default. 1.34 is the newest 1.34 that the channel has.",
        live: true,
        order: 4,
      },
    ),
    machineType: field(
      z
        .string()
        .trim()
        .max(63)
        .regex(/^[a-z][a-z0-9-]*$/, 'Write a machine type such as e2-standard-2.')
        .optional(),
      {
        label: 'Machine type',
        help: 'Of each node; e2-standard-2 (2 CPUs, 8 GB) when it is empty.',
        live: true,
        order: 5,
      },
    ),
    nodes: field(nodeCount(leastNodes).optional(), {
      label: 'Nodes',
      help: 'All nodes together; 3 when it is empty. In a region they are spread evenly over its zones: 3 means one in each of three zones, so ask for 3, 6, 9 …',
      order: 6,
    }),
    autoscaleMin: field(nodeCount(0).optional(), {
      label: 'Autoscaling: fewest nodes',
      help: 'With both bounds Google changes the number of nodes by itself. All zones together.',
      order: 7,
    }),
    autoscaleMax: field(nodeCount(1).optional(), {
      label: 'Autoscaling: most nodes',
      help: 'All zones together; what these cost is the most that the nodes can come to.',
      order: 8,
    }),
    diskGb: field(z.number().int().min(10).max(65_536).optional(), {
      label: 'Disk of a node (GB)',
      help: '100 when it is empty.',
      order: 9,
    }),
    diskType: field(z.enum(['pd-balanced', 'pd-standard', 'pd-ssd', 'hyperdisk-balanced']).optional(), {
      label: 'Kind of disk',
      help: 'pd-balanced when it is empty. pd-standard does not count against the SSD quota.',
      order: 10,
    }),
    spot: field(z.boolean().default(false), {
      label: 'Spot machines',
      help: 'Much cheaper, and Google may take them away at any time.',
      order: 11,
    }),
    nodeZones: field(
      z
        .string()
        .trim()
        .max(200)
        .refine(
          (text) => zonesOf(text).every((zone) => locationPattern.test(zone) && isZone(zone)),
          'Write zones with commas between them: europe-west3-a,europe-west3-b.',
        )
        .refine((text) => new Set(zonesOf(text)).size === zonesOf(text).length, 'Each zone can be there once only.')
        .optional(),
      {
        label: 'Zones of the nodes',
        help: 'Empty: the zone of the cluster, or three of its region.',
        example: 'europe-west3-a,europe-west3-b',
        order: 12,
      },
    ),
    nodeServiceAccount: field(
      z
        .string()
        .trim()
        .max(200)
        .regex(/^[^@\s]+@[a-z0-9.-]+$/, 'Write the e-mail address of a service account.')
        .optional(),
      {
        label: 'Service account of the nodes',
        help: "Empty: the project's default one. The provisioner's own account needs the role Service Account User on it.",
        order: 13,
      },
    ),
    maxPodsPerNode: field(z.number().int().min(8).max(256).optional(), {
      label: 'Pods per node at most',
      help: '110 when it is empty; fewer take fewer addresses.',
      order: 14,
    }),
    network: field(z.string().trim().max(200).regex(networkPattern, 'Write the name of a network.').optional(), {
      label: 'Network',
      help: 'Name of the VPC network, or projects/HOST/global/networks/NAME of a shared one; "default" when it is empty.',
      order: 15,
    }),
    subnetwork: field(z.string().trim().max(200).regex(networkPattern, 'Write the name of a subnetwork.').optional(), {
      label: 'Subnetwork',
      help: 'In the region of the cluster. Needed where the network makes none by itself.',
      order: 16,
    }),
    clusterCidr: field(cidr.optional(), {
      label: 'Addresses of pods',
      help: 'Empty: Google chooses. A range (10.8.0.0/14) that nothing else in the network uses, or a size (/17).',
      order: 17,
    }),
    servicesCidr: field(cidr.optional(), {
      label: 'Addresses of services',
      help: 'Empty: Google chooses. A range (10.30.0.0/20) or a size (/22).',
      order: 18,
    }),
    privateNodes: field(z.boolean().default(false), {
      label: 'Private nodes',
      help: 'Nodes without public addresses. They reach the internet only through a Cloud NAT of yours.',
      order: 19,
    }),
    networkPolicy: field(z.enum(['off', 'calico', 'dataplane-v2']).default('off'), {
      label: 'Network policy',
      help: 'Whether NetworkPolicy objects are enforced. dataplane-v2 is the newer way and always on with Autopilot; calico needs two nodes.',
      order: 20,
    }),
    addons: field(
      z
        .string()
        .trim()
        .max(300)
        .refine((text) => readAddons(text) !== null, `Write some of: ${addonNames.join(', ')}; or none.`)
        .optional(),
      {
        label: 'Add-ons',
        help: `Empty: Google's own choice (load balancing, pod autoscaling, disks). Else exactly these, with commas between them: ${addonNames.join(', ')}; or none.`,
        example: 'http-load-balancing,dns-cache',
        order: 21,
      },
    ),
    maintenanceStart: field(
      z
        .string()
        .trim()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Write a time of day such as 03:00.')
        .optional(),
      {
        label: 'Maintenance begins at',
        help: "UTC. Google's own upgrades of this cluster begin in the four hours from then on; empty leaves the time to Google.",
        example: '03:00',
        order: 22,
      },
    ),
  };
}

type Wish = z.infer<z.ZodObject<ReturnType<typeof shape>>>;

/** What a new cluster is to be. */
export const GkeCluster = z.object(shape(1)).superRefine(checkWish);
export type GkeCluster = Wish;

/** What a cluster is to be after a change: it may have been scaled to nothing. */
export const GkeClusterAfter = z.object(shape(0)).superRefine(checkWish);

/** Keys that say something about nodes, which an Autopilot cluster has none of one's own of. */
const nodeKeys = [
  'machineType',
  'nodes',
  'autoscaleMin',
  'autoscaleMax',
  'diskGb',
  'diskType',
  'spot',
  'nodeZones',
  'nodeServiceAccount',
  'maxPodsPerNode',
  'addons',
] as const;

function checkWish(wish: Wish, context: z.RefinementCtx): void {
  const problem = (key: keyof Wish, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  if (wish.autopilot) {
    for (const key of nodeKeys) {
      if (wish[key] !== undefined && wish[key] !== false)
        problem(key, 'Autopilot decides on this by itself: leave it empty.');
    }
    if (isZone(wish.location)) problem('location', 'An Autopilot cluster needs a region, not a zone.');
    if (wish.releaseChannel === 'none') problem('releaseChannel', 'An Autopilot cluster needs a release channel.');
    if (wish.networkPolicy === 'calico')
      problem('networkPolicy', 'Autopilot always has dataplane-v2: choose that or off.');
  } else {
    checkNodes(wish, problem);
  }
  const pods = readCidr(wish.clusterCidr ?? '');
  const services = readCidr(wish.servicesCidr ?? '');
  if (pods && services && overlap(pods, services)) {
    problem('servicesCidr', 'The addresses of services and of pods overlap.');
  }
}

function checkNodes(wish: Wish, problem: (key: keyof Wish, message: string) => void): void {
  const { location: where, nodeZones, autoscaleMin, autoscaleMax } = wish;
  const foreign = zonesOf(nodeZones).find((zone) => regionOf(zone) !== regionOf(where));
  if (foreign) problem('nodeZones', `The zone ${foreign} is not in ${regionOf(where)}.`);
  if (nodeZones && isZone(where) && !zonesOf(nodeZones).includes(where)) {
    problem('nodeZones', `The zone of the cluster, ${where}, has to be one of them.`);
  }
  const zones = zoneCount(where, nodeZones);
  const nodes = initialNodes(wish);
  if (nodes % zones !== 0) {
    const below = nodes - (nodes % zones);
    const choice = below > 0 ? `${below} or ${below + zones}` : `${zones}`;
    problem('nodes', `The nodes are spread evenly over ${zones} zones: ask for ${choice}.`);
  }
  if (autoscaleMin !== undefined && autoscaleMax === undefined) problem('autoscaleMax', 'Give both bounds, or none.');
  if (autoscaleMax !== undefined && autoscaleMin === undefined) problem('autoscaleMin', 'Give both bounds, or none.');
  if (autoscaleMin !== undefined && autoscaleMax !== undefined) {
    if (autoscaleMin > autoscaleMax) problem('autoscaleMax', 'The most nodes cannot be less than the fewest.');
    else if (autoscaleMax < zones)
      problem('autoscaleMax', `There are ${zones} zones, each with a node at first: at least ${zones}.`);
    else if (wish.nodes !== undefined && (nodes < autoscaleMin || nodes > autoscaleMax)) {
      problem('nodes', `It begins with this many: choose between ${autoscaleMin} and ${autoscaleMax}.`);
    }
  }
  if (wish.networkPolicy === 'calico' && nodes < 2 && (autoscaleMin ?? 0) < 2) {
    problem('nodes', 'Calico needs at least two nodes.');
  }
}

/** How many nodes a cluster begins with: what was asked for, else three or one in each zone, within the autoscaler's bounds. */
export function initialNodes(wish: Wish): number {
  if (wish.nodes !== undefined) return wish.nodes;
  const zones = zoneCount(wish.location, wish.nodeZones);
  const usual = Math.min(Math.max(zones === 1 ? 3 : zones, wish.autoscaleMin ?? 0), wish.autoscaleMax ?? mostNodes);
  return Math.max(zones, usual - (usual % zones));
}
