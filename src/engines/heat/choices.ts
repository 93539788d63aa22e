import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Api } from './api.ts';
import type { Keys } from './parameters.ts';
import type { TemplateParameter } from './template-parameter.ts';

/** More than these are no choice any more but a text to type. */
const mostChoices = 100;

const Names = z.array(z.object({ name: z.string().nullish(), id: z.string().nullish() }));

/** Where the names come from that a custom constraint of Heat allows, by service of the catalogue, path and key of the answer. */
interface Source {
  type: string;
  path: string;
  key: string;
}

/**
 * Custom constraints (https://docs.openstack.org/heat/latest/template_guide/hot_spec.html#custom-constraint) that a project has a short list
 * for: compute, image and network APIs.
 */
const sources: Record<string, Source> = {
  'nova.flavor': { type: 'compute', path: '/flavors', key: 'flavors' },
  'nova.keypair': { type: 'compute', path: '/os-keypairs', key: 'keypairs' },
  'glance.image': { type: 'image', path: '/v2/images?status=active&limit=100&sort=name:asc', key: 'images' },
  'neutron.network': { type: 'network', path: '/v2.0/networks?fields=name&fields=id', key: 'networks' },
  'neutron.subnet': { type: 'network', path: '/v2.0/subnets?fields=name&fields=id', key: 'subnets' },
  'neutron.router': { type: 'network', path: '/v2.0/routers?fields=name&fields=id', key: 'routers' },
};

const externalNetworks: Source = {
  type: 'network',
  path: '/v2.0/networks?router:external=True&fields=name&fields=id',
  key: 'networks',
};

/**
 * The values that the project has for parameters with a custom constraint, by parameter name. A service that the cloud does not have, or that
 * does not let this account look, leaves the parameter a text.
 */
export async function liveChoices(
  parameters: readonly TemplateParameter[],
  keys: Keys,
  api: Api,
  call: Call,
): Promise<Map<string, string[]>> {
  const wanted = parameters.flatMap((each): [string, Source][] => {
    const source = sourceOf(each, keys);
    return source && !each.hidden ? [[each.name, source]] : [];
  });
  const asked = [...new Set(wanted.map(([, source]) => source))];
  const lists = new Map(await Promise.all(asked.map(async (each) => [each, await namesAt(each, api, call)] as const)));
  const found = new Map<string, string[]>();
  for (const [name, source] of wanted) {
    const names = lists.get(source) ?? [];
    if (names.length > 0 && names.length <= mostChoices) found.set(name, names);
  }
  return found;
}

function sourceOf(parameter: TemplateParameter, keys: Keys): Source | undefined {
  const custom = parameter.custom ?? (keys.roles.sshKey === parameter.name ? 'nova.keypair' : undefined);
  if (custom === 'neutron.network' && /ext|public|floating/i.test(parameter.name)) return externalNetworks;
  return custom !== undefined && Object.hasOwn(sources, custom) ? sources[custom] : undefined;
}

async function namesAt(source: Source, api: Api, call: Call): Promise<string[]> {
  try {
    // A form is better with a text field now than with a list when its time is over.
    const deadline = Date.now() + Math.max(0, call.deadline - Date.now()) / 2;
    const body = await api.read(source.type, source.path, { ...call, deadline });
    const list = body !== null && typeof body === 'object' ? (body as Record<string, unknown>)[source.key] : undefined;
    // Key pairs come each in a wrapper of its own.
    const entries = Array.isArray(list)
      ? list.map((each) => (each as { keypair?: unknown } | null)?.keypair ?? each)
      : [];
    const read = Names.safeParse(entries);
    if (!read.success) return [];
    return [...new Set(read.data.flatMap(({ name, id }) => name || id || []))].sort((a, b) =>
      a.localeCompare(b, 'en', { numeric: true }),
    );
  } catch (thrown) {
    if (thrown instanceof Fault && !call.signal.aborted && Date.now() < call.deadline) return [];
    throw thrown;
  }
}
