import { z } from 'zod';
import type { Call, Choice } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { type Arm, azureCode } from './arm.ts';
import { defaultSize } from './schema.ts';
import { byVersion } from './versions.ts';

/** GET /subscriptions/{id}/locations (https://learn.microsoft.com/rest/api/resources/subscriptions/list-locations). */
const Locations = z.object({
  value: z.array(
    z.object({
      name: z.string(),
      displayName: z.string().nullish(),
      regionalDisplayName: z.string().nullish(),
      metadata: z.object({ regionType: z.string().nullish(), regionCategory: z.string().nullish() }).nullish(),
    }),
  ),
});

/** GET /subscriptions/{id}/providers/{namespace} (https://learn.microsoft.com/rest/api/resources/providers/get). */
const Provider = z.object({
  registrationState: z.string().nullish(),
  resourceTypes: z.array(z.object({ resourceType: z.string(), locations: z.array(z.string()).nullish() })).nullish(),
});

/** GET /subscriptions/{id}/providers/Microsoft.Compute/skus (https://learn.microsoft.com/rest/api/compute/resource-skus/list). */
const Skus = z.object({
  value: z.array(
    z.object({
      resourceType: z.string().nullish(),
      name: z.string().nullish(),
      capabilities: z.array(z.object({ name: z.string().nullish(), value: z.string().nullish() })).nullish(),
      restrictions: z.array(z.object({ type: z.string().nullish(), reasonCode: z.string().nullish() })).nullish(),
    }),
  ),
  nextLink: z.string().nullish(),
});

/** Whether the AKS resource provider is registered, and the display names of where it is; null when that may not be read. */
export async function aksProvider(arm: Arm, call: Call): Promise<{ state: string; locations: string[] } | null> {
  const path = `${arm.subscription}/providers/Microsoft.ContainerService?api-version=2022-12-01`;
  const provider = await readable(arm, call, path, Provider);
  if (!provider) return null;
  const type = provider.resourceTypes?.find((each) => each.resourceType.toLowerCase() === 'managedclusters');
  return { state: provider.registrationState ?? 'unknown', locations: type?.locations ?? [] };
}

/** The locations that have AKS, `first` before all others; where they may not be listed, `first` alone. */
export async function locationChoices(arm: Arm, first: string, call: Call): Promise<Choice[]> {
  const [locations, provider] = await Promise.all([
    readable(arm, call, `${arm.subscription}/locations?api-version=2022-12-01`, Locations),
    aksProvider(arm, call),
  ]);
  const served = new Set(provider?.locations.map(locationName));
  const found = (locations?.value ?? [])
    // Logical ones (`europe`, `global`) hold no machines.
    .filter((each) => (each.metadata?.regionType ?? 'Physical') === 'Physical')
    .filter((each) => served.size === 0 || served.has(each.name))
    .map((each) => {
      const choice: Choice = { value: each.name, label: oneLine(each.displayName ?? each.name, [], 60) };
      return { choice, recommended: each.metadata?.regionCategory === 'Recommended' };
    })
    .sort((a, b) => Number(b.recommended) - Number(a.recommended) || a.choice.label.localeCompare(b.choice.label, 'en'))
    .map(({ choice }) => choice);
  const at = found.findIndex(({ value }) => value === first);
  const own = at >= 0 ? found.splice(at, 1) : [{ value: first, label: first }];
  return [...own, ...found];
}

/** `eastus` of "East US", as Azure writes locations in answers about providers. */
export function locationName(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** The versions that a location offers, its default first; null when they may not be read. */
export async function versionChoices(arm: Arm, location: string, call: Call): Promise<Choice[] | null> {
  const answer = await allowed(() => arm.read(call, () => arm.aks.managedClusters.listKubernetesVersions(location)));
  if (!answer) return null;
  const minors = (answer.values ?? []).filter((each) => each.version);
  const rank = (each: (typeof minors)[number]) => {
    const plans = each.capabilities?.supportPlan ?? [];
    const lts = plans.length > 0 && !plans.includes('KubernetesOfficial');
    return each.isDefault ? 0 : each.isPreview ? 3 : lts ? 2 : 1;
  };
  return minors
    .toSorted((a, b) => rank(a) - rank(b) || byVersion(a.version ?? '', b.version ?? ''))
    .flatMap((minor) => {
      const notes = ['', '', 'only with the Premium tier', 'preview'];
      const note = notes[rank(minor)];
      const patches = Object.keys(minor.patchVersions ?? {}).sort(byVersion);
      return (patches.length > 0 ? patches : [minor.version ?? '']).map((patch): Choice => {
        const choice: Choice = { value: patch, label: patch };
        if (note) choice.note = note;
        return choice;
      });
    });
}

/** Machine sizes of a location that the subscription may have and AKS takes, the smaller ones first; null when they may not be read. */
export async function sizeChoices(arm: Arm, location: string, call: Call): Promise<Choice[] | null> {
  const filter = encodeURIComponent(`location eq '${location}'`);
  let path: string | undefined =
    `${arm.subscription}/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=${filter}`;
  const sizes: { name: string; cpus: number; memory: number }[] = [];
  for (let page = 0; path && page < 20; page += 1) {
    const answer: z.infer<typeof Skus> | null = await readable(arm, call, path, Skus);
    if (!answer) return page === 0 ? null : choicesOf(sizes);
    for (const sku of answer.value) {
      if (sku.resourceType !== 'virtualMachines' || !sku.name) continue;
      const value = (key: string) => sku.capabilities?.find(({ name }) => name === key)?.value ?? '';
      const restricted = (sku.restrictions ?? []).some(({ type }) => type === 'Location');
      const [cpus, memory] = [Number(value('vCPUs')), Number(value('MemoryGB'))];
      // AKS takes no machine with fewer CPUs or less memory in a system pool, and no old series A
      // (https://learn.microsoft.com/azure/aks/quotas-skus-regions); ARM machines run with the same images.
      if (restricted || !(cpus >= 2) || !(memory >= 4) || /^Basic_/.test(sku.name)) continue;
      sizes.push({ name: sku.name, cpus, memory });
    }
    const next: string | null | undefined = answer.nextLink;
    path = next && URL.canParse(next) ? new URL(next).pathname + new URL(next).search : undefined;
  }
  return choicesOf(sizes);
}

function choicesOf(sizes: { name: string; cpus: number; memory: number }[]): Choice[] {
  const unique = [...new Map(sizes.map((size) => [size.name, size])).values()];
  // What people mostly want leads: general-purpose machines of the newer generations.
  const usual = (name: string) =>
    name === defaultSize ? 0 : /^Standard_(D\d+a?d?s_v[5-9]|B\d+a?l?s_v2)$/.test(name) ? 1 : 2;
  return unique
    .sort(
      (a, b) => usual(a.name) - usual(b.name) || a.cpus - b.cpus || a.memory - b.memory || a.name.localeCompare(b.name),
    )
    .map(({ name, cpus, memory }) => ({ value: name, label: name, note: `${cpus} CPUs, ${memory} GiB` }));
}

/** The body of a path by its schema; null when the service principal may not read it. */
async function readable<T extends z.ZodType>(
  arm: Arm,
  call: Call,
  path: string,
  schema: T,
): Promise<z.infer<T> | null> {
  const answer = await allowed(() => arm.read(call, () => arm.get(path)));
  if (!answer) return null;
  const read = schema.safeParse(answer.body);
  return read.success ? read.data : null;
}

/**
 * Null instead of a refusal: a role on the resource group alone does not reach what belongs to the subscription, and a location may lack a list.
 * What is offered is a help; a form without it is still one.
 */
async function allowed<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (thrown) {
    if ([400, 403, 404, 409].includes(azureCode(thrown)?.status ?? 0)) return null;
    throw thrown;
  }
}
