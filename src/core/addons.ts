/** Add-ons: what can be put into every cluster by name. How their objects are made or fetched is in src/kube/addons. */
import { z } from 'zod';

/** One file that an add-on is made of. */
export interface AddonFile {
  /** `https:` only. */
  url: string;
  /** Of its bytes, hex. Absent where nobody could vouch for it: then the one that is seen first is kept. */
  sha256?: string;
}

/** An add-on that KQueen offers. */
export interface Addon {
  /** What it is called in commands. */
  name: string;
  title: string;
  about: string;
  /** Offered by this release. */
  version: string;
  /** Its files; absent: KQueen makes its objects itself, with images of that version. */
  files?: readonly AddonFile[];
  /** Where its objects go that name no namespace. */
  namespace: string;
  /** Add-ons that have to be on before. */
  needs?: readonly string[];
  /** Where people read about it. */
  link: string;
  /** One word of what it is for. */
  tag: string;
  /** Its own Service, which then carries what add-ons are found by. */
  service?: string;
  /** What is to be known before it is turned on. */
  careful?: string;
}

const raw = 'https://raw.githubusercontent.com';
const gateway = `${raw}/kubernetes-sigs/gateway-api/v1.6.1/config/crd/standard/gateway.networking.k8s.io`;
const snapshotter = `${raw}/kubernetes-csi/external-snapshotter/v8.6.0`;

/**
 * Every add-on of this release. The hashes were taken from the files in their projects' own repositories at the tag that stands in the address; those of
 * release files that are in no repository are not known to this release.
 */
export const addons: readonly Addon[] = [
  {
    name: 'metrics-server',
    title: 'metrics-server',
    about: 'Live use of nodes and pods, which autoscaling of pods and cluster check read',
    version: '0.8.1',
    namespace: 'kube-system',
    link: 'https://github.com/kubernetes-sigs/metrics-server',
    tag: 'metrics',
    service: 'metrics-server',
  },
  {
    name: 'traefik',
    title: 'Traefik',
    about: 'Lets traffic in from outside by Ingress objects',
    version: '3.7.9',
    namespace: 'traefik',
    link: 'https://doc.traefik.io/traefik/',
    tag: 'ingress',
    service: 'traefik',
  },
  {
    name: 'headlamp',
    title: 'Headlamp',
    about: 'A dashboard of the cluster; each person signs in with a token of their own',
    version: '0.45.0',
    namespace: 'headlamp',
    link: 'https://headlamp.dev/docs/latest/',
    tag: 'dashboard',
    service: 'headlamp',
  },
  {
    name: 'cert-manager',
    title: 'cert-manager',
    about: 'Certificates that are issued and renewed by themselves',
    version: '1.21.1',
    files: [{ url: 'https://github.com/cert-manager/cert-manager/releases/download/v1.21.1/cert-manager.yaml' }],
    namespace: 'cert-manager',
    link: 'https://cert-manager.io/docs/',
    tag: 'certificates',
    service: 'cert-manager',
  },
  {
    name: 'gateway-api',
    title: 'Gateway API',
    about: 'The kinds of the Gateway API; what serves them is another program',
    version: '1.6.1',
    files: [
      ...[
        ['backendtlspolicies', '0d48c9e4b53dd9510cf615b9b1192d9d7afb07a1cc0498c9515627cb1c075419'],
        ['gatewayclasses', '53710048ba26f8620eed59d5e51b157ecf040daf5c6eef31a4b991e0808c4be5'],
        ['gateways', '25b885f5870b8fff1ae82efa2628b2761cef3745900c2aecf8fb76629a01255a'],
        ['grpcroutes', '53a8d029da8f07e55d3fa58a5cf6de5950dab19fbb8d6a8082fb5e51ca5ef6fc'],
        ['httproutes', 'a424a0d6c953b162e71d1d97bb7e75012d8f1ac264e7274f2763d1b96ab39852'],
        ['listenersets', 'bf4d4b02564999b2558b96e31465129895db9b3a8adfb90adb9c80eac52a3a70'],
        ['referencegrants', '8c645e9333cfa67790cc2a53e0c00076f88b2bd4230d2b49688c78bc34f9b2c3'],
        ['tcproutes', 'd5104d0cf30e924f5e3c9e2e76abd46876401c34ca33b9e79321523eee78c7f6'],
        ['tlsroutes', 'bb8b67926e5d9652cbfd2e19063b7c1d9e78806c9dd671608f57baef2f2e3bbb'],
        ['udproutes', '4b80684c2bf8ef4b0a2a3ab45164ac9f96258fc69912645ff50ced595b0aa6de'],
        ['vap_safeupgrades', 'afb0ea1b3cc2e9344d93b0926fbe741aeb48ab4439f9f7b4b77b9ac94faf6c2e'],
      ].map(([kind, sha256]) => ({ url: `${gateway}_${kind}.yaml`, sha256: sha256 ?? '' })),
    ],
    namespace: 'default',
    link: 'https://gateway-api.sigs.k8s.io/',
    tag: 'kinds',
  },
  {
    name: 'volume-snapshots',
    title: 'Volume snapshots',
    about: 'The kinds and the controller of VolumeSnapshots, for drivers that can make them',
    version: '8.6.0',
    files: [
      {
        url: `${snapshotter}/client/config/crd/snapshot.storage.k8s.io_volumesnapshotclasses.yaml`,
        sha256: '75e6565aac2c0f2949ed13ea884bbaa388cb7be576b558b709cf1168e011828d',
      },
      {
        url: `${snapshotter}/client/config/crd/snapshot.storage.k8s.io_volumesnapshotcontents.yaml`,
        sha256: '895a3c1e73b60f06a0deb566dd123d01bdf1b2efc5d5ff5231ff8bbcf42dafc7',
      },
      {
        url: `${snapshotter}/client/config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml`,
        sha256: 'b032116e987fb1d7d93cec7d942833adeb9d95c9bdc7e00c10b280c2fe4a6c33',
      },
      {
        url: `${snapshotter}/deploy/kubernetes/snapshot-controller/rbac-snapshot-controller.yaml`,
        sha256: '99c4ac480b6c9563be0d85599e29cc7b68b25a82d250b0e789726727551e8d38',
      },
      {
        url: `${snapshotter}/deploy/kubernetes/snapshot-controller/setup-snapshot-controller.yaml`,
        sha256: '920166ff9001203e9def2504903eb196cd1da55d520f022807cc6ac82ef8eeba',
      },
    ],
    namespace: 'kube-system',
    link: 'https://kubernetes-csi.github.io/docs/snapshot-controller.html',
    tag: 'storage',
  },
  {
    name: 'ingress-nginx',
    title: 'Ingress NGINX',
    about: 'Lets traffic in from outside by Ingress objects; its project has ended',
    version: '1.15.1',
    files: [
      {
        url: `${raw}/kubernetes/ingress-nginx/controller-v1.15.1/deploy/static/provider/cloud/deploy.yaml`,
        sha256: '502fddca66b09c20dd48b6d0a792a9671cd663a3a0d2a8bda5ae990d13b6c5b2',
      },
    ],
    namespace: 'ingress-nginx',
    link: 'https://kubernetes.io/blog/2025/11/11/ingress-nginx-retirement/',
    tag: 'ingress',
    service: 'ingress-nginx-controller',
    careful:
      'Ingress NGINX was retired in March 2026: it gets no fixes any more, not even of security. Take it only where you must; traefik does the same and is kept up.',
  },
];

/** The one of that name that this release offers. */
export function bundledAddon(name: string): Addon | undefined {
  return addons.find((each) => each.name === name);
}

/** What an add-on may be called; a name that begins with `provider-` is one of the provider's. */
export const addonName = /^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/;

/** Which of them a name in a command means: the provider's are marked, since the provider chooses their names. */
export const providerPrefix = 'provider-';

const hash = z.string().regex(/^[0-9a-f]{64}$/i, 'This must be 64 hexadecimal digits.');
const address = z.url({ protocol: /^https$/, error: 'Use an address that begins with https://.' }).max(1_000);

/** An add-on of an installation's own, as its description says (`<name>.addon.yaml` in the folder of KQUEEN_ADDON_DIR). */
export const OwnAddon = z.strictObject({
  name: z
    .string()
    .regex(addonName, 'Use at most 30 lower-case letters, digits and dashes.')
    .refine((name) => !name.startsWith(providerPrefix), `Names beginning with ${providerPrefix} are the provider's.`),
  title: z.string().min(1).max(60),
  about: z.string().max(200).default(''),
  version: z.string().regex(/^[\w][\w.+-]{0,60}$/, 'Use letters, digits, dots and dashes; quote a number.'),
  /** In the same folder; absent: `<name>-<version>.yaml`, unless there is an address. */
  file: z
    .string()
    .regex(/^[\w][\w.-]{0,120}\.ya?ml$/, 'Use the name of a .yaml file in the same folder.')
    .optional(),
  url: address.optional(),
  sha256: hash.optional(),
  namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Use the name of a namespace.')
    .default('default'),
  needs: z.array(z.string().regex(addonName)).max(10).default([]),
  link: address.optional(),
  icon: address.optional(),
  tag: z.string().max(30).default('own'),
  service: z.string().max(63).optional(),
});
export type OwnAddon = z.infer<typeof OwnAddon>;

/** An add-on as a look at a cluster found it. */
export interface SeenAddon {
  name: string;
  title: string;
  about: string;
  /** `kqueen`: of this release; `own`: of this installation; `other`: announced by a Service that somebody else has put there. */
  by: 'kqueen' | 'own' | 'other';
  /** What would be put there now; '' for `other`. */
  version: string;
  namespace: string;
  needs: string[];
  link?: string;
  icon?: string;
  tag?: string;
  careful?: string;
  /** Where it comes from, in words. */
  source: string;
  /** It is there, and KQueen has not put it there. */
  elsewhere?: true;
  /** What is there of KQueen's. */
  on?: { version: string; state: 'running' | 'applying' | 'failed'; ready: number; wanted: number; revision: number };
}

/** What was read of an add-on, before it is put anywhere. */
export interface AddonRead {
  title: string;
  version: string;
  namespace: string;
  needs: string[];
  /** Where it came from, in words. */
  source: string;
  /** Files that were read; none for one that KQueen makes itself. */
  files: { url: string; sha256: string; bytes: number; known: boolean }[];
  careful?: string;
}
