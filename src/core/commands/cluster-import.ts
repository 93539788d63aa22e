import type { Form } from '../card.ts';
import type { Answer, Command, Context } from '../command.ts';
import { kubeconfigSecret } from '../connect.ts';
import { asFault, Fault } from '../errors.ts';
import { healthRecord } from '../health.ts';
import { atLeast } from '../policy.ts';
import type { Engine } from '../ports/engine.ts';
import type { ClusterHealth, KubeReview } from '../ports/kube.ts';
import type { Change, Ref } from '../ports/store.ts';
import type { Cluster, Provisioner } from '../records.ts';
import { type Problem, readValues } from '../schema.ts';
import { demand, findCluster, findProvisioner, movedFault, repeatAnswer, toCaller } from './common.ts';
import {
  firstHome,
  type Home,
  importArgs,
  importEngine,
  importForm,
  kubeconfigParts,
  mayOperate,
  replaceForm,
  resultCard,
  sentence,
} from './import-forms.ts';

/**
 * Takes in a cluster that exists by its kubeconfig. Members may: it costs nothing, changes nothing anywhere, and gives KQueen no right that the
 * person did not have. An admin allows it by adding the provisioner for it, since whoever imports makes KQueen connect to an address they chose.
 */
export const clusterImport: Command = {
  name: 'cluster import',
  aliases: ['cluster attach', 'cluster renew'],
  summary: 'Take in an existing cluster by its kubeconfig',
  examples: ['cluster import', 'cluster import old-1 purpose=test', 'cluster import old-1 replace=yes'],
  group: 'Clusters',
  policy: 'cluster:import',
  changes: true,
  args: importArgs,
  positional: ['name'],
  words: { on: 'provisioner', for: 'purpose' },
  async run(context, values) {
    const engine = context.engines.get(importEngine);
    if (!engine) {
      throw new Fault('unsupported', `The engine ${importEngine} for existing clusters is not allowed here.`, {
        whose: 'admin',
      });
    }
    return /^(yes|true|on)$/i.test(values.replace ?? '')
      ? replace(context, engine, values)
      : importNew(context, engine, values);
  },
};

async function homeOf(context: Context, wanted: string | undefined): Promise<Home> {
  const { caller, cache } = context;
  if (wanted) {
    const stored = await findProvisioner(context, wanted);
    if (stored.record.engine === importEngine) return { is: 'there', stored };
    throw new Fault('bad-input', `Provisioner ${wanted} makes clusters at its provider; nothing is imported there.`, {
      field: 'provisioner',
      next: `An admin takes over a cluster that exists there with provisioner discover ${wanted}.`,
    });
  }
  const all = cache.query('provisioner', caller.org, {
    where: (each) => each.engine === importEngine,
    limit: 50,
  }).items;
  const [only] = all;
  if (all.length > 1) return { is: 'open', all };
  if (only) return { is: 'there', stored: await findProvisioner(context, only.name) };
  if (atLeast(caller.role, 'admin')) return { is: 'new' };
  throw new Fault('not-found', 'There is no provisioner for existing clusters here, so nothing can be imported yet.', {
    whose: 'admin',
    next: `An admin imports the first one, or allows it with provisioner add ${firstHome} engine=${importEngine}.`,
  });
}

async function importNew(context: Context, engine: Engine, values: Record<string, string>): Promise<Answer> {
  const home = await homeOf(context, values.provisioner);
  const form = importForm(context, values, home);
  if (context.source !== 'form') return { audience: 'caller', form };
  const read = readValues(importArgs, values);
  const problems: Problem[] = read.ok ? [] : [...read.problems];
  if (home.is === 'open') problems.push({ field: 'provisioner', message: 'Please choose one.' });
  const texts = kubeconfigTexts(values);
  if (texts.length === 0) problems.push({ field: 'kubeconfig', message: 'Please fill this in.' });
  const mode = values.mode ?? 'read-only';
  if (mode === 'operate' && !mayOperate(home)) problems.push({ field: 'mode', message: modeRefusal(home) });
  if (!read.ok || problems.length > 0 || home.is === 'open') return refused(form, problems);
  const { name, purpose, labels } = read.value;
  const taken = await context.store.get({ kind: 'name', org: context.caller.org, id: `cluster.${name}` });
  if (taken) return refused(form, [await takenProblem(context, name, taken.record.holder)]);

  const looked = await look(context, texts);
  if (looked instanceof Fault) return refused(form, [problemOf(looked)]);
  const { caller, now, newId } = context;
  const org = caller.org;
  const id = newId(10);
  const changes: Change[] = [];
  const made = home.is === 'new' ? await firstProvisioner(context, engine) : undefined;
  const provisioner = home.is === 'new' ? made?.record : home.stored.record;
  if (!provisioner) throw new Fault('internal', 'There is no provisioner to import into.');
  if (made) changes.push(...made.changes);
  else changes.push(await heldName(context, provisioner));
  const known: Omit<Cluster, 'spec' | 'summary'> = {
    v: 1,
    id,
    org,
    name,
    provisioner: provisioner.id,
    provisionerName: provisioner.name,
    engine: engine.name,
    externalName: new URL(looked.review.server).host,
    phase: 'Ready',
    purpose,
    owner: caller.person,
    ownerName: caller.name,
    labels: labels ?? {},
    createdAt: now,
    readyAt: now,
    place: context.place,
    origin: 'imported',
    readOnly: mode !== 'operate',
    kubeconfig: true,
  };
  const cluster = withLook({ ...known, spec: {}, summary: '' }, looked, engine);
  const health = healthRecord(org, id, looked.health, undefined);
  const twins = sameClusters(context, cluster);
  const nameRef = { kind: 'name', org, id: `cluster.${name}` } as const;
  changes.push(
    { op: 'put', ref: { kind: 'cluster', org, id }, record: cluster, if: 0 },
    { op: 'put', ref: nameRef, record: { v: 1, id: nameRef.id, org, holder: id }, if: 0 },
    sealed(context, cluster, looked.review.kubeconfig),
    { op: 'put', ref: { kind: 'health', org, id }, record: health },
  );
  const says = `Cluster ${name} is imported${cluster.readOnly ? ', read-only' : ''}: ${sentence(health, cluster)}`;
  const done = await context.effect(changes, { action: 'cluster.import', outcome: 'done', subject: name, says });
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) {
    if (done.conflicts.some((ref: Ref) => ref.id === nameRef.id))
      return refused(form, [{ field: 'name', message: `The name ${name} is taken.` }]);
    throw movedFault(`Provisioner ${provisioner.name}`);
  }
  const first = made ? [`Provisioner ${provisioner.name} for existing clusters was made with it.`] : [];
  return toCaller(
    resultCard(`Cluster ${name} is imported`, says, cluster, health, looked.review, [...twinNotes(twins), ...first]),
  );
}

/** A new kubeconfig for a cluster that was imported before: the old one has expired, or is not to be used any more. */
async function replace(context: Context, engine: Engine, values: Record<string, string>): Promise<Answer> {
  if (!values.name)
    throw new Fault('bad-input', 'Say which cluster: cluster import <name> replace=yes.', { field: 'name' });
  const found = await findCluster(context, values.name);
  const before = found.record;
  demand(context, 'cluster:update', [before.owner]);
  if (before.origin !== 'imported') {
    throw new Fault(
      'unsupported',
      `Cluster ${before.name} was not imported, so KQueen gets its credentials by itself.`,
      {
        next: `Look at it with cluster check ${before.name}.`,
      },
    );
  }
  const stored = await context.store.get({ kind: 'provisioner', org: before.org, id: before.provisioner });
  const home: Home = stored ? { is: 'there', stored } : { is: 'new' };
  const form = replaceForm(context, before, values, home);
  if (context.source !== 'form') return { audience: 'caller', form };
  const { name: _name, ...given } = values;
  const read = readValues(importArgs.omit({ name: true, provisioner: true, purpose: true, labels: true }), given);
  if (!read.ok) return refused(form, read.problems);
  const texts = kubeconfigTexts(values);
  if (texts.length === 0) return refused(form, [{ field: 'kubeconfig', message: 'Please fill this in.' }]);
  const mode = values.mode ?? (before.readOnly === false ? 'operate' : 'read-only');
  if (mode === 'operate' && !mayOperate(home)) return refused(form, [{ field: 'mode', message: modeRefusal(home) }]);
  const looked = await look(context, texts);
  if (looked instanceof Fault) return refused(form, [problemOf(looked)]);
  const { review } = looked;
  if (before.spec.server !== review.server && (before.spec.authority ?? '') !== review.authority) {
    const message = `This kubeconfig is for another cluster: ${review.server}. ${before.name} is at ${before.spec.server}. Import it under a name of its own.`;
    return refused(form, [{ field: 'kubeconfig', message }]);
  }
  const cluster: Cluster = withLook({ ...before, readOnly: mode !== 'operate' }, looked, engine);
  const { org, id } = cluster;
  const health = healthRecord(org, id, looked.health, context.cache.get({ kind: 'health', org, id }));
  const says = `Cluster ${cluster.name} has a new kubeconfig: ${sentence(health, cluster)}`;
  const done = await context.effect(
    [
      { op: 'put', ref: found.ref, record: cluster, if: found.revision },
      sealed(context, cluster, review.kubeconfig),
      { op: 'put', ref: { kind: 'health', org, id }, record: health },
    ],
    { action: 'cluster.import', outcome: 'done', subject: cluster.name, says },
  );
  if (done.ok === 'repeat') return repeatAnswer(done.delivery);
  if (!done.ok) throw movedFault(`Cluster ${cluster.name}`);
  return toCaller(resultCard(`Cluster ${cluster.name} has a new kubeconfig`, says, cluster, health, review, []));
}

interface Looked {
  review: KubeReview;
  health: ClusterHealth;
}

/**
 * Signs in and looks at the cluster. Where a kubeconfig came in parts, the line break between two may be gone or be part of the text, so both
 * ways to put them together are tried.
 */
async function look(context: Context, texts: string[]): Promise<Looked | Fault> {
  let fault: Fault | undefined;
  for (const text of texts) {
    try {
      const review = await context.kube.review(text, context.call(10_000));
      return { review, health: await context.kube.probe(review.kubeconfig, context.call(10_000)) };
    } catch (thrown) {
      const met = asFault(thrown);
      if (met.kind === 'internal') throw met;
      fault ??= met;
      if (met.kind !== 'bad-input') return met;
    }
  }
  return fault ?? new Fault('bad-input', 'There is no kubeconfig.', { field: 'kubeconfig' });
}

function kubeconfigTexts(values: Record<string, string>): string[] {
  const given = kubeconfigParts.map((key) => values[key] ?? '').filter((text) => text.trim() !== '');
  if (given.length < 2) return given;
  return [given.join(''), given.join('\n')];
}

/** The cluster with what the look at it has told. */
function withLook(cluster: Cluster, { review, health }: Looked, engine: Engine): Cluster {
  const spec: Record<string, unknown> = { server: review.server };
  if (review.authority) spec.authority = review.authority;
  if (health.nodes.length > 0) spec.nodes = health.nodes.length;
  const { notes: _notes, failure: _failure, ...rest } = cluster;
  const next: Cluster = { ...rest, spec, summary: engine.describe(spec), endpoint: review.server };
  if (health.nodes.length > 0) next.nodes = health.nodes.length;
  if (health.version) next.version = health.version;
  if (review.expiresAt !== undefined) {
    next.notes = [
      `Its ${review.by} ends on ${new Date(review.expiresAt).toISOString().slice(0, 10)}; give a new kubeconfig before with cluster import ${cluster.name} replace=yes.`,
    ];
  }
  return next;
}

function sealed(context: Context, cluster: Cluster, kubeconfig: string): Change {
  const ref = kubeconfigSecret(cluster.org, cluster.id);
  return {
    op: 'put',
    ref,
    record: { v: 1, id: ref.id, org: ref.org, sealed: context.sealer.seal(ref, kubeconfig) },
  };
}

/** A provisioner that is being removed loses its name first: whoever still imports there is refused by this check. */
async function heldName(context: Context, provisioner: Provisioner): Promise<Change> {
  const ref = { kind: 'name', org: provisioner.org, id: `provisioner.${provisioner.name}` } as const;
  const held = await context.store.get(ref);
  if (held?.record.holder !== provisioner.id) throw movedFault(`Provisioner ${provisioner.name}`);
  return { op: 'check', ref, if: held.revision };
}

/** The provisioner that an admin's first import makes along with it. */
async function firstProvisioner(context: Context, engine: Engine): Promise<{ record: Provisioner; changes: Change[] }> {
  const { caller, now, newId } = context;
  const org = caller.org;
  const ref = { kind: 'name', org, id: `provisioner.${firstHome}` } as const;
  if (await context.store.get(ref)) {
    throw new Fault(
      'conflict',
      `There is a provisioner named ${firstHome} already, which is not for existing clusters.`,
      {
        next: `Add one under another name with provisioner add engine=${importEngine}.`,
      },
    );
  }
  const id = newId(10);
  const params = engine.provisioner.parse({});
  const client = await context.engines.client(engine.name, `check.${id}`, '1', () => params);
  const checked = await client.check(context.call(5_000)).finally(() => client.close());
  const record: Provisioner = {
    v: 1,
    id,
    org,
    name: firstHome,
    engine: engine.name,
    params,
    secretFields: [],
    paramsVersion: newId(8),
    state: checked.state,
    message: checked.message,
    facts: checked.facts,
    checkedAt: now,
    createdBy: caller.person,
    createdAt: now,
  };
  return {
    record,
    changes: [
      { op: 'put', ref: { kind: 'provisioner', org, id }, record, if: 0 },
      { op: 'put', ref, record: { v: 1, id: ref.id, org, holder: id }, if: 0 },
    ],
  };
}

function modeRefusal(home: Home): string {
  const name = home.is === 'there' ? home.stored.record.name : firstHome;
  return `Provisioner ${name} allows read-only alone. An admin allows more with provisioner edit ${name}.`;
}

/** Clusters here that are the same one by address and authority. */
function sameClusters(context: Context, cluster: Cluster): Cluster[] {
  const authority = (each: Cluster) => (each.origin === 'imported' ? (each.spec.authority ?? '') : undefined);
  return context.cache.query('cluster', cluster.org, {
    where: (each) =>
      each.id !== cluster.id &&
      each.endpoint?.replace(/\/+$/, '') === cluster.endpoint &&
      // What KQueen made keeps no authority to compare; its address alone is as good.
      (authority(each) === undefined || authority(each) === authority(cluster)),
    limit: 5,
  }).items;
}

function twinNotes(twins: Cluster[]): string[] {
  return twins.map(({ name, origin, ownerName }) =>
    origin === 'imported'
      ? `It is imported already, as ${name} of ${ownerName}: both show the same cluster.`
      : `KQueen has it already, as ${name} of ${ownerName}, and knows more of it there: detach this one.`,
  );
}

async function takenProblem(context: Context, name: string, holder: string): Promise<Problem> {
  const cluster = await context.store.get({ kind: 'cluster', org: context.caller.org, id: holder });
  const own = cluster?.record.origin === 'imported';
  const next = own
    ? ` It was imported; to give it a new kubeconfig write cluster import ${name} replace=yes.`
    : ' Choose another name.';
  return { field: 'name', message: `The name ${name} is taken.${next}` };
}

function problemOf(fault: Fault): Problem {
  return { field: 'kubeconfig', message: `${fault.message}${fault.next ? ` ${fault.next}` : ''}` };
}

function refused(form: Form, problems: Problem[]): Answer {
  const fields = form.fields.map((each) => {
    const problem = problems.find(({ field: key }) => key === each.key);
    return problem ? { ...each, problem: problem.message } : each;
  });
  return { audience: 'caller', form: { ...form, fields }, problems };
}
