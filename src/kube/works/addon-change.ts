import { z } from 'zod';
import type { Fact } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Work, WorkPlan, WorkStep } from '../../core/ports/work.ts';
import { powersOf } from '../addons/powers.ts';
import { planRemoval, stepRemoval } from '../addons/remove.ts';
import { appOf } from '../addons/state.ts';
import { unpack } from '../apply/bundle.ts';
import { stepDeploy } from '../apply/deploy.ts';
import { openKinds } from '../apply/kinds.ts';
import { called, type Manifest, objectAt } from '../apply/manifests.ts';
import { planDeploy, type Want } from '../apply/plan.ts';
import { readRevisions } from '../apply/revisions.ts';
import { readObject } from '../apply/server.ts';
import { appLabel } from '../apply/set.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const named = { name: z.string().min(1), title: z.string().min(1) };
const Item = z.discriminatedUnion('do', [
  /** Put there, or brought to another version. */
  z.object({
    do: z.literal('on'),
    ...named,
    version: z.string(),
    namespace: z.string().min(1),
    /** Where it comes from, in words. */
    source: z.string(),
    needs: z.array(z.string()).default([]),
    /** What is to be known of its files: hashes. */
    notes: z.array(z.string()).default([]),
    careful: z.string().optional(),
  }),
  z.object({
    do: z.literal('off'),
    ...named,
    data: z.boolean(),
    /** What is worth knowing before it goes. */
    notes: z.array(z.string()).default([]),
  }),
  /** Turned by the provider. */
  z.object({ do: z.literal('provider'), ...named, on: z.boolean(), note: z.string().optional() }),
]);
type Item = z.infer<typeof Item>;
type On = Extract<Item, { do: 'on' }>;

const Input = z.object({
  items: z.array(Item).min(1).max(20),
  /** Name of who asks. */
  by: z.string(),
  /** Names this asking. */
  asked: z.string().min(1),
  force: z.boolean().default(false),
  withinMs: z.number().default(600_000),
  mirrors: z.array(z.object({ from: z.string(), to: z.string() })).default([]),
});
type Input = z.infer<typeof Input>;

const Progress = z.object({
  /** Which item. */
  at: z.number().default(0),
  /** How far that one is. */
  inner: z.record(z.string(), z.unknown()).default({}),
  result: z.array(z.object({ label: z.string(), value: z.string() })).default([]),
});

/** The objects of each add-on that is put there, packed, by name. */
const Bulk = z.record(z.string(), z.string());

function bulkOf(text: string | undefined): z.infer<typeof Bulk> {
  return text === undefined ? {} : Bulk.parse(JSON.parse(text));
}

/** One item as work on an app's objects. */
function workOf(
  { by, asked, force, withinMs, mirrors }: Input,
  item: On,
  bulk: z.infer<typeof Bulk>,
): Omit<Work, 'progress'> {
  const packed = bulk[item.name];
  return {
    op: 'addon.change',
    input: { app: appOf(item.name), by, asked: `${asked}.${item.name}`, force, privileged: true, withinMs, mirrors },
    ...(packed === undefined ? {} : { bulk: packed }),
  };
}

/** Kinds that guard against mistakes alone, which clusters before 1.30 do not know: an add-on is of use without them. */
const dispensable = ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'];

function wantOf({ namespace, version, source, title }: On): Want {
  return async (talk, { bulk }) => {
    if (bulk === undefined)
      throw new Fault('internal', `There is nothing of ${title} to put there.`, { retryable: false });
    const all = unpack(bulk);
    const kinds = openKinds(talk, all);
    const left: Manifest[] = [];
    for (const manifest of all.filter(({ kind }) => dispensable.includes(kind)))
      if (!(await kinds.find(manifest))) left.push(manifest);
    const facts = left.length === 0 ? [] : [{ label: 'Left out', value: leftOut(left) }];
    const manifests = all.filter((manifest) => !left.includes(manifest));
    return { manifests, namespace, source: `${version} from ${source}`, privileged: true, facts };
  };
}

function leftOut(left: readonly Manifest[]): string {
  return `${left.map((each) => called(each)).join(', ')}: this cluster does not know the kind, and it is of use without`;
}

/** Puts add-ons into a cluster, brings them to other versions, takes them away; several one after the other. */
export const changeAddons: WorkOperation = {
  op: 'addon.change',

  async plan(talk, work) {
    const input = Input.parse(work.input);
    const bulk = bulkOf(work.bulk);
    const plans: WorkPlan[] = [];
    for (const item of input.items) plans.push(await planItem(talk, input, item, bulk));
    const [only] = plans;
    if (only && plans.length === 1) return only;
    const doing = plans.map((plan, index) => ({ plan, item: input.items[index] })).filter(({ plan }) => !plan.nothing);
    const admin = plans.flatMap((plan) => plan.admin ?? []);
    const facts: Fact[] = doing.map(({ item, plan }) => ({
      label: item ? verbOf(item) : '',
      value: plan.facts
        .slice(1)
        .reduce((all, { label, value }) => (label === 'Objects' ? `${all}: ${value}` : all), item?.title ?? ''),
    }));
    return {
      steps: input.items.map((item) => `${verbOf(item)} ${item.title}`),
      facts: [...facts, ...plans.flatMap((plan) => plan.facts.filter(({ label }) => label === 'Images'))],
      disturbs: [...new Set(doing.map(({ plan }) => plan.disturbs))].join(' '),
      detail: doing.map(({ item, plan }) => `# ${item?.title ?? ''}\n${plan.detail ?? ''}`).join('\n'),
      warnings: plans.flatMap(({ warnings }) => warnings).slice(0, 20),
      rests: plans.map(({ rests }) => rests),
      ...(admin.length > 0 ? { admin: admin.join('; ') } : {}),
      ...(doing.length === 0 ? { nothing: plans.map(({ nothing }) => nothing).join(' ') } : {}),
    };
  },

  async step(talk, work) {
    const input = Input.parse(work.input);
    const progress = Progress.parse(work.progress);
    const item = input.items[progress.at];
    const many = input.items.length > 1;
    if (!item)
      return { state: 'done', progress: { ...progress }, at: 0, percent: 100, note: 'All of it was done before.' };
    const inner = await stepItem(talk, input, item, bulkOf(work.bulk), progress.inner).catch((thrown: unknown) => {
      throw ownFault(thrown, item);
    });
    const share = (percent: number) => Math.floor((100 * progress.at + percent) / input.items.length);
    const shared = {
      note: ownWords(inner.note, item),
      ...(inner.lines ? { lines: inner.lines.map((line) => ownWords(line, item)) } : {}),
      ...(inner.percent === undefined ? {} : { percent: share(inner.percent) }),
      ...(inner.provider ? { provider: inner.provider } : {}),
    };
    if (inner.state !== 'done') {
      const after = { ...progress, inner: inner.progress };
      const wait = inner.ms === undefined ? {} : { ms: inner.ms };
      return { ...shared, state: inner.state, ...wait, progress: after, at: many ? progress.at : inner.at };
    }
    const result = [
      ...progress.result,
      ...(inner.result ?? []).map((fact) => ({ ...fact, label: many ? `${item.title}: ${fact.label}` : fact.label })),
    ];
    const next = progress.at + 1;
    const last = next >= input.items.length;
    return {
      ...shared,
      state: last ? 'done' : 'again',
      progress: { at: next, inner: {}, result },
      at: many ? Math.min(next, input.items.length - 1) : inner.at,
      ...(last && result.length > 0 ? { result: result.slice(0, 20) } : {}),
    };
  },
};

function verbOf(item: Item): string {
  return item.do === 'off' || (item.do === 'provider' && !item.on) ? 'Turn off' : 'Turn on';
}

/** Words of apps as words of the add-on. */
function ownWords(text: string, { name, title }: Item): string {
  return text.replaceAll(appOf(name), title);
}

/** What went wrong in words of the add-on: there is no going back to a revision of it. */
function ownFault(thrown: unknown, item: Item): unknown {
  if (!(thrown instanceof Fault)) return thrown;
  const { kind, whose, retryable, field, retryAfterMs, outcomeUnknown, detail, cause } = thrown;
  const next = /rollback|deploy|revision/i.test(thrown.next ?? '')
    ? 'Press Retry when that is mended, or turn it off with addon disable.'
    : thrown.next;
  return new Fault(kind, ownWords(thrown.message, item), {
    ...{ whose, retryable, outcomeUnknown, cause },
    ...(next === undefined ? {} : { next }),
    ...(field === undefined ? {} : { field }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(detail === undefined ? {} : { detail }),
  });
}

async function planItem(talk: Talk, input: Input, item: Item, bulk: z.infer<typeof Bulk>): Promise<WorkPlan> {
  switch (item.do) {
    case 'on':
      return planOn(talk, input, item, bulk);
    case 'off': {
      const plan = await planRemoval(talk, item.name, item.title, item.data);
      return {
        ...plan,
        facts: [{ label: 'Add-on', value: item.title }, ...plan.facts],
        warnings: [...item.notes, ...plan.warnings],
      };
    }
    case 'provider':
      return {
        steps: [`${verbOf(item)} ${item.title}`],
        facts: [{ label: 'Add-on', value: `${item.title}, of the provider` }],
        disturbs: item.on ? 'Nobody, as far as KQueen can see.' : `Whoever uses ${item.title}: it is gone afterwards.`,
        detail: `${item.on ? '+' : '-'} ${item.title}, by the provider`,
        warnings: item.note ? [item.note] : [],
        rests: { provider: item.name, on: item.on },
      };
  }
}

async function planOn(talk: Talk, input: Input, item: On, bulk: z.infer<typeof Bulk>): Promise<WorkPlan> {
  const mine = workOf(input, item, bulk);
  const manifests = unpack(mine.bulk ?? '');
  const revisions = await readRevisions(talk, appOf(item.name));
  await demandNeeds(talk, input, item);
  if (revisions.length === 0 && !input.force) await demandNobodys(talk, item, manifests);
  const plan = await planDeploy(talk, mine, wantOf(item));
  const powers = powersOf(manifests);
  const last = revisions.at(-1);
  const before = last ? `, now ${/^(\S+) from /.exec(last.source)?.[1] ?? 'another one'}` : ', which is new';
  const privileged = / An admin has allowed it\.$/;
  return {
    ...plan,
    facts: [
      { label: 'Add-on', value: `${item.title} ${item.version}${before}` },
      ...plan.facts.slice(1).map(({ label, value }) => ({
        label,
        value: label === 'From' ? item.source : ownWords(value, item),
      })),
    ],
    warnings: [
      ...(item.careful ? [item.careful] : []),
      ...item.notes,
      ...powers.map((each) => `${each}.`),
      ...plan.warnings.filter((each) => !privileged.test(each)).map((each) => ownWords(each, item)),
    ].slice(0, 14),
    ...(powers.length > 0 ? { admin: `${item.title} reaches over the whole cluster, so an admin decides` } : {}),
    ...(plan.nothing ? { nothing: `${item.title} ${item.version} is on already, and nothing of it differs.` } : {}),
  };
}

async function demandNeeds(talk: Talk, { items }: Input, { title, needs }: On): Promise<void> {
  for (const need of needs) {
    if (items.some((each) => each.do === 'on' && each.name === need)) continue;
    const there = (await readRevisions(talk, appOf(need))).some(({ state }) => state === 'running');
    if (!there)
      throw new Fault('conflict', `${title} needs ${need}, which is not on.`, {
        field: 'addon',
        next: `Turn ${need} on first, or both together with addon choose.`,
      });
  }
}

/** Kinds by which a program is recognised that somebody else has put there. */
const telling = ['Deployment', 'DaemonSet', 'StatefulSet', 'APIService'];

/** Throws when a program of it is there that KQueen has not put there, such as the provider's. */
async function demandNobodys(talk: Talk, item: On, manifests: readonly Manifest[]): Promise<void> {
  const kinds = openKinds(talk, manifests);
  for (const manifest of manifests.filter(({ kind }) => telling.includes(kind))) {
    const place = await kinds.find(manifest);
    if (!place || place.coming) continue;
    const where = { name: manifest.name, namespace: manifest.namespace ?? item.namespace };
    const live = await readObject(talk, place, where);
    if (!live || objectAt(live, 'metadata', 'labels')[appLabel] !== undefined) continue;
    throw new Fault(
      'conflict',
      `${item.title} is in the cluster already, and KQueen has not put it there: ${called({ kind: manifest.kind, ...(place.namespaced ? where : { name: where.name }) })}.`,
      {
        field: 'addon',
        next: 'Leave it to whoever did. If it is to be KQueen’s from now on, say force=yes.',
      },
    );
  }
}

async function stepItem(
  talk: Talk,
  input: Input,
  item: Item,
  bulk: z.infer<typeof Bulk>,
  inner: Record<string, unknown>,
): Promise<WorkStep> {
  switch (item.do) {
    case 'on':
      return stepDeploy(talk, { ...workOf(input, item, bulk), progress: inner }, wantOf(item));
    case 'off':
      return stepRemoval(talk, item.name, item.title, item.data);
    case 'provider': {
      const word = item.on ? 'on' : 'off';
      // Once the provider has done its part, the work comes back here.
      if (inner.asked === true)
        return {
          state: 'done',
          progress: inner,
          at: 0,
          percent: 100,
          note: `The provider has turned ${item.title} ${word}.`,
        };
      const note = `The provider turns ${item.title} ${word}.`;
      return { state: 'again', progress: { asked: true }, at: 0, note, provider: { addons: { [item.name]: item.on } } };
    }
  }
}
