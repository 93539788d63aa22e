/** What an app is to KQueen: a set of objects that were applied under one name, whatever they came from. */

/** Where the objects of an app come from. */
export type AppSource =
  | { from: 'text'; text: string }
  /** `https:` only, from a host that is allowed (KQUEEN_APP_SOURCES). */
  | { from: 'address'; url: string }
  | ({ from: 'image' } & AppImage)
  /** `what` is the name of an entry in apps-catalogue.ts; the values are its parameters. */
  | { from: 'catalogue'; what: string; values: Record<string, string | number | boolean> }
  /** `values` is YAML as in Helm's --values. */
  | { from: 'chart'; chart: string; repo?: string; version?: string; values?: string };

/** How the ports of an app can be reached. */
export const publishWays = ['no', 'cluster', 'nodes', 'internal', 'loadbalancer'] as const;
export type Publish = (typeof publishWays)[number];

/** An app that is one image. */
export interface AppImage {
  image: string;
  replicas: number;
  /** Such as `8080`, `80:8080` (port of the Service, port of the container), `53/udp`. */
  ports: string[];
  env: Record<string, string>;
  /** Variables whose values go into a Secret. */
  secretEnv: Record<string, string>;
  publish: Publish;
  /** Host name of an Ingress to the first port. */
  host?: string;
  /** A folder that outlives a container: on a volume of this size, or without a size for as long as the pod lives. */
  folder?: { path: string; size?: string };
}

/** The objects of an app, read, checked and packed. */
export interface AppBundle {
  /** What a job carries: sealed, since manifests may hold secrets. */
  bulk: string;
  /** How many objects. */
  objects: number;
  /** A name that the manifests suggest for the app. */
  suggests?: string;
}

/** The name of an app: a DNS label that leaves room for what is added to it. */
export const appName = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** What went wrong when the name is not one. */
export const appNameRule = 'Use at most 40 lower-case letters, digits and dashes, such as web or web-2.';

/** Largest manifests that are taken, in bytes. */
export const largestManifest = 5 * 1024 * 1024;
