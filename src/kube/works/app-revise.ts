/** New revisions of an app made of old ones: another image, an earlier state, a way in. */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import { stepDeploy } from '../apply/deploy.ts';
import { isObject, type JsonObject, listAt, type Manifest, objectAt } from '../apply/manifests.ts';
import { planDeploy, type Want } from '../apply/plan.ts';
import { podSpecOf } from '../apply/privileged.ts';
import { publishObjects } from '../apply/publish.ts';
import { manifestsOf, type Revision } from '../apply/revisions.ts';
import { newest } from '../apply/workloads.ts';
import type { WorkOperation } from '../operation.ts';

function operation(op: string, want: Want): WorkOperation {
  return { op, plan: (talk, work) => planDeploy(talk, work, want), step: (talk, work) => stepDeploy(talk, work, want) };
}

/** The revision before: the last that ran, the newest left out. */
function before(app: string, revisions: readonly Revision[], to: number | undefined): Revision {
  const last = newest(app, revisions);
  const found = revisions
    .filter(({ revision, state }) =>
      to === undefined ? revision < last.revision && state === 'running' : revision === to,
    )
    .at(-1);
  if (found) return found;
  const kept = revisions
    .map(({ revision, state }) => `${revision}${state === 'running' ? '' : ` (${state})`}`)
    .join(', ');
  throw new Fault(
    'not-found',
    to === undefined
      ? `There is no revision of ${app} before ${last.revision} that ran.`
      : `Revision ${to} of ${app} is not kept.`,
    {
      field: 'to',
      next: `Kept are: ${kept}.`,
    },
  );
}

/** Back to a revision that ran. */
export const rollbackApp = operation('app.rollback', async (talk, { input }, revisions) => {
  const { app, to } = z.object({ app: z.string(), to: z.number().int().positive().optional() }).parse(input);
  const target = before(app, revisions, to);
  return {
    manifests: await manifestsOf(talk, app, target.revision),
    namespace: target.namespace,
    source: `revision ${target.revision}: ${target.source}`.replace(/^(revision \d+: )(?:revision \d+: )+/, '$1'),
    privileged: target.privileged,
    facts: [
      {
        label: 'Back to',
        value: `revision ${target.revision}, by ${target.by} on ${new Date(target.at).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
      },
    ],
  };
});

const ImageInput = z.object({
  app: z.string(),
  image: z.string(),
  workload: z.string().optional(),
  container: z.string().optional(),
});

/** An image without its tag and digest. */
function repository(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}

/** Another image in a container of the app. */
export const updateApp = operation('app.update', async (talk, { input: given }, revisions) => {
  const input = ImageInput.parse(given);
  const last = newest(input.app, revisions);
  const manifests = await manifestsOf(talk, input.app, last.revision);
  const chosen = containersMeant(manifests, input);
  const [first] = chosen;
  const was = String(first?.container.image ?? '');
  return {
    manifests: manifests.map((manifest) => {
      const its = chosen.filter((each) => each.manifest === manifest).map((each) => String(each.container.name));
      return its.length === 0 ? manifest : { ...manifest, object: withImage(manifest, its, input.image) };
    }),
    namespace: last.namespace,
    source: `${input.image} in place of ${was}`,
    privileged: last.privileged,
    facts: [{ label: 'Image', value: `${was} → ${input.image}` }],
  };
});

interface Chosen {
  manifest: Manifest;
  container: JsonObject;
}

function containersMeant(
  manifests: readonly Manifest[],
  { app, image, workload, container }: z.infer<typeof ImageInput>,
): Chosen[] {
  const all = manifests.flatMap((manifest): Chosen[] =>
    listAt(podSpecOf(manifest), 'containers')
      .filter(isObject)
      .map((each) => ({ manifest, container: each })),
  );
  const named = all.filter(
    (each) =>
      (workload === undefined ||
        [each.manifest.name, `${each.manifest.kind}/${each.manifest.name}`].some(
          (name) => name.toLowerCase() === workload.toLowerCase(),
        )) &&
      (container === undefined || each.container.name === container),
  );
  if (named.length === 1) return named;
  // Of several, those that run the same software are meant.
  const alike = named.filter((each) => repository(String(each.container.image)) === repository(image));
  if (alike.length > 0 && new Set(alike.map((each) => each.container.image)).size === 1) return alike;
  const list = (alike.length > 0 ? alike : all)
    .slice(0, 8)
    .map(
      (each) =>
        `${each.manifest.kind}/${each.manifest.name} ${String(each.container.name)} (${String(each.container.image)})`,
    );
  throw new Fault(
    'bad-input',
    list.length === 0
      ? `${app} has no container.`
      : `It is not clear which container of ${app} is meant: ${list.join(', ')}.`,
    {
      field: 'container',
      next: 'Say workload= and container=.',
    },
  );
}

/** The object with that image in the containers of these names. */
function withImage(manifest: Manifest, names: readonly string[], image: string): JsonObject {
  const spec = podSpecOf(manifest);
  const change = (value: unknown): unknown => {
    if (value === spec && isObject(value)) {
      const containers = listAt(value, 'containers').map((each) =>
        isObject(each) && names.includes(String(each.name)) ? { ...each, image } : each,
      );
      return { ...value, containers };
    }
    return isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)]))
      : value;
  };
  const changed = change(manifest.object);
  return isObject(changed) ? changed : manifest.object;
}

const ExposeInput = z.object({
  app: z.string(),
  workload: z.string().optional(),
  publish: z.enum(['cluster', 'nodes', 'internal', 'loadbalancer']),
  ports: z.array(z.string()),
  host: z.string().optional(),
});

/** A Service, and with a host name an Ingress, to a workload of the app. */
export const exposeApp = operation('app.expose', async (talk, { input: given }, revisions) => {
  const input = ExposeInput.parse(given);
  const last = newest(input.app, revisions);
  const manifests = await manifestsOf(talk, input.app, last.revision);
  const wanted = input.workload?.toLowerCase();
  const all = manifests.filter(
    ({ kind, name }) =>
      ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind) &&
      (wanted === undefined || wanted === name || wanted === `${kind}/${name}`.toLowerCase()),
  );
  const [workload] = all;
  if (!workload || all.length > 1) {
    const names = all.map(({ kind, name }) => `${kind}/${name}`).join(', ');
    throw new Fault(
      'bad-input',
      workload ? `${input.app} has several: ${names}.` : `${input.app} has nothing that could be reached.`,
      { field: 'workload', next: 'Say workload=.' },
    );
  }
  const labels = objectAt(workload.object, 'spec', 'selector', 'matchLabels');
  const declared = listAt(podSpecOf(workload), 'containers').flatMap((each) =>
    listAt(each, 'ports')
      .filter(isObject)
      .map(({ containerPort, protocol }) => `${String(containerPort)}${protocol === 'UDP' ? '/udp' : ''}`),
  );
  const ports = input.ports.length > 0 ? input.ports : declared;
  if (ports.length === 0) {
    throw new Fault('bad-input', `${workload.name} does not say which ports it listens on.`, {
      field: 'ports',
      next: 'Say ports=, such as ports=8080 or ports=80:8080.',
    });
  }
  const made = publishObjects({
    ...{
      name: `${workload.name}-${input.publish}`,
      namespace: workload.namespace,
      labels,
      ports,
      publish: input.publish,
    },
    ...(input.host === undefined ? {} : { host: input.host }),
  });
  const kept = manifests.filter((each) => !made.some((other) => other.kind === each.kind && other.name === each.name));
  return {
    manifests: [...kept, ...made],
    namespace: last.namespace,
    source: last.source,
    privileged: last.privileged,
    facts: [
      {
        label: 'Opens',
        value: `${ports.join(', ')} of ${workload.kind} ${workload.name}${input.host ? ` as ${input.host}` : ''}`,
      },
    ],
  };
});
