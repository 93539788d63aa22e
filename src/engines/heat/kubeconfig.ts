import { parse, stringify } from 'yaml';

/** A kubeconfig in an output of a stack, as text and with the address of its API. */
export interface FoundKubeconfig {
  yaml: string;
  server?: string;
}

/** How deep a kubeconfig may be wrapped: the data of a wait condition is JSON in which the value is base64. */
const deepest = 4;

/**
 * Reads the value of an output: YAML or JSON text, the same in base64, an object, or what `get_attr: [condition, data]` of a wait condition
 * gives, JSON with the signals by their id, of which the last counts. Null for a value that holds no kubeconfig.
 */
export function readKubeconfig(value: unknown, depth = 0): FoundKubeconfig | null {
  if (depth > deepest || value === null || value === undefined) return null;
  if (typeof value === 'string') return readText(value.trim(), depth);
  if (typeof value !== 'object') return null;
  if (isKubeconfig(value)) return made(stringify(value), value);
  const inner = Array.isArray(value) ? value : latestFirst(value as Record<string, unknown>);
  for (const each of inner) {
    const found = readKubeconfig(each, depth + 1);
    if (found) return found;
  }
  return null;
}

function readText(text: string, depth: number): FoundKubeconfig | null {
  if (text === '') return null;
  const read = parsed(text);
  if (isKubeconfig(read)) return made(text, read);
  if (read !== null && typeof read === 'object') return readKubeconfig(read, depth + 1);
  if (!/^[A-Za-z0-9+/_=\s-]{40,}$/.test(text)) return null;
  return readText(Buffer.from(text, 'base64').toString('utf8').trim(), depth + 1);
}

/** The signals of a wait condition by their ids, `1.34` after `1.33`: a later one replaces what an earlier one said. */
function latestFirst(signals: Record<string, unknown>): unknown[] {
  return Object.keys(signals)
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((key) => signals[key]);
}

function parsed(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0, logLevel: 'silent' }) as unknown;
  } catch {
    return null;
  }
}

interface Kubeconfig {
  'current-context'?: unknown;
  contexts?: unknown;
  clusters: unknown[];
}

function isKubeconfig(value: unknown): value is Kubeconfig {
  if (value === null || typeof value !== 'object') return false;
  const { kind, clusters } = value as { kind?: unknown; clusters?: unknown };
  return kind === 'Config' && Array.isArray(clusters) && clusters.length > 0;
}

function made(text: string, config: Kubeconfig): FoundKubeconfig {
  const found: FoundKubeconfig = { yaml: `${text.trim()}\n` };
  const server = serverOf(config);
  if (server) found.server = server;
  return found;
}

interface Named {
  name?: unknown;
  context?: { cluster?: unknown } | null;
  cluster?: { server?: unknown } | null;
}

/** The address in the cluster of the current context, or of the only cluster there is. */
function serverOf(config: Kubeconfig): string | undefined {
  const contexts = (Array.isArray(config.contexts) ? config.contexts : []) as (Named | null)[];
  const context = contexts.find((each) => each?.name === config['current-context'])?.context;
  const clusters = config.clusters as (Named | null)[];
  const cluster = clusters.find((each) => each?.name === context?.cluster) ?? clusters[0];
  const server = cluster?.cluster?.server;
  return typeof server === 'string' && URL.canParse(server) ? server : undefined;
}

/** Outputs that often hold the address of the API, when the provisioner does not name one. */
const usualEndpoints = ['api_endpoint', 'kube_api_endpoint', 'api_address', 'endpoint', 'kube_masters', 'master_ip'];

/** The address of the API from the outputs: a URL as it is, a bare address on kubeadm's port. */
export function endpointFrom(outputs: ReadonlyMap<string, unknown>, asked: string | undefined): string | undefined {
  for (const name of asked ? [asked] : usualEndpoints) {
    const value = outputs.get(name);
    const text = (Array.isArray(value) ? value[0] : value) as unknown;
    if (typeof text !== 'string') continue;
    const trimmed = text.trim().replace(/\/+$/, '');
    if (/^https:\/\//.test(trimmed) && URL.canParse(trimmed)) return trimmed;
    if (/^[\w.-]+(:\d+)?$/.test(trimmed)) return `https://${trimmed}${/:\d+$/.test(trimmed) ? '' : ':6443'}`;
    if (/^[0-9a-f]*:[0-9a-f:]+$/i.test(trimmed)) return `https://[${trimmed}]:6443`;
  }
  return undefined;
}
