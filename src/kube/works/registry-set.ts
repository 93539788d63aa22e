import { createHash } from 'node:crypto';
import { z } from 'zod';
import { mirrorsText } from '../../core/addons-images.ts';
import type { WorkPlan } from '../../core/ports/work.ts';
import { count } from '../../core/words.ts';
import {
  attachPull,
  detachPull,
  isAttached,
  keepRegistry,
  namesIn,
  pullNamespaces,
  pullSecret,
  type RegistryKept,
  readRegistry,
} from '../addons/registry.ts';
import { home, readRevisions } from '../apply/revisions.ts';
import type { Talk, WorkOperation } from '../operation.ts';

const Input = z.object({
  /** Null: as it is. */
  mirrors: z.array(z.object({ from: z.string(), to: z.string() })).nullable(),
  /** `keep`: as it is; `set`: to what is sealed beside the work; `remove`: none any more. */
  pull: z.enum(['keep', 'set', 'remove']),
  /** Namespaces that pull with it beside those that do already. */
  namespaces: z.array(z.string()),
  by: z.string(),
  /** When it was asked for, epoch milliseconds. */
  at: z.number(),
});
type Input = z.infer<typeof Input>;
const Progress = z.object({ kept: z.boolean().default(false) });

const steps = ['Keep the settings', 'Put the Secret into the namespaces'];
/** Namespaces that one step works on. */
const perStep = 10;

/** A pull Secret without its password, to tell one from another. */
function hashOf(docker: string): string {
  return createHash('sha256').update(docker).digest('hex');
}

/** Namespaces that have it, that it is asked for, and that KQueen has deployed to. */
async function namespacesOf(talk: Talk, { namespaces }: Input): Promise<string[]> {
  const [having, revisions] = await Promise.all([pullNamespaces(talk), readRevisions(talk)]);
  const deployed = revisions.flatMap(({ objects }) => objects.map(([, , namespace]) => namespace));
  const all = new Set([...having, ...namespaces, ...deployed].filter((name) => name !== '' && name !== home));
  return [...all].sort();
}

function keptAfter(input: Input, before: RegistryKept | null, docker: string | undefined): RegistryKept {
  const mirrors = input.mirrors ?? before?.mirrors ?? [];
  if (input.pull === 'set' && docker !== undefined)
    return { mirrors, pull: { ...namesIn(docker), at: input.at, by: input.by, hash: hashOf(docker) } };
  return { mirrors, ...(input.pull === 'keep' && before?.pull ? { pull: before.pull } : {}) };
}

/** Where a cluster takes its images from: mirrors for what is deployed from then on, and a Secret to pull with. */
export const setRegistry: WorkOperation = {
  op: 'registry.set',

  async plan(talk, work): Promise<WorkPlan> {
    const input = Input.parse(work.input);
    const before = await readRegistry(talk);
    const after = keptAfter(input, before, work.bulk);
    const [was, is] = [before?.mirrors ?? [], after.mirrors];
    const names = input.pull === 'remove' ? await pullNamespaces(talk) : await namespacesOf(talk, input);
    const attached = after.pull ? await Promise.all(names.map((name) => isAttached(talk, name))) : [];
    const rotated = after.pull !== undefined && after.pull.hash !== before?.pull?.hash;
    const open = rotated ? names : names.filter((_name, index) => attached[index] === false);
    const removes = before?.pull !== undefined && !after.pull;
    const lines = [
      ...was
        .filter((rule) => !is.some(({ from, to }) => from === rule.from && to === rule.to))
        .map(({ from, to }) => `- images of ${from} from ${to}`),
      ...is
        .filter((rule) => !was.some(({ from, to }) => from === rule.from && to === rule.to))
        .map(({ from, to }) => `+ images of ${from} from ${to}`),
      ...(rotated
        ? [
            `${before?.pull ? '~' : '+'} pull Secret ${pullSecret}: ${after.pull?.user} at ${after.pull?.host}, key not shown`,
          ]
        : []),
      ...(removes ? [`- pull Secret ${pullSecret}: ${before?.pull?.user} at ${before?.pull?.host}`] : []),
      ...open.map((name) => `${rotated && before?.pull ? '~' : '+'} Secret and default ServiceAccount of ${name}`),
      ...(removes ? names.map((name) => `- Secret and default ServiceAccount of ${name}`) : []),
    ];
    return {
      steps,
      facts: [
        { label: 'Mirrors', value: is.length > 0 ? mirrorsText(is).replaceAll(',', ', ') : 'none of its own' },
        {
          label: 'Pull Secret',
          value: after.pull ? `for ${after.pull.host} as ${after.pull.user}; the key is not shown` : 'none',
        },
        ...(after.pull || removes
          ? [{ label: 'Namespaces', value: names.join(', ') || 'those that KQueen deploys to from now on' }]
          : []),
      ],
      disturbs: removes
        ? 'Whoever starts pods of images that need it: they cannot be pulled any more.'
        : 'Nobody: what runs goes on as it is, and what is deployed from now on takes its images so.',
      detail: lines.join('\n'),
      warnings: [
        ...(after.pull && is.length > 0 && !is.some(({ to }) => to.split('/')[0] === after.pull?.host)
          ? [`No mirror is at ${after.pull.host}, which the pull Secret is for.`]
          : []),
      ],
      rests: { before, names, open },
      ...(lines.length === 0 ? { nothing: 'All of this is set so already.' } : {}),
    };
  },

  async step(talk, work) {
    const input = Input.parse(work.input);
    const progress = Progress.parse(work.progress);
    const before = await readRegistry(talk);
    if (!progress.kept) {
      // Namespaces are told of by what is in them; the kept Secret goes last when it is removed, so that a repeat finds what is left.
      const after = keptAfter(input, before, work.bulk);
      if (input.pull !== 'remove') await keepRegistry(talk, after, work.bulk);
      return { state: 'again', progress: { kept: true }, at: 1, percent: 20, note: 'The settings are kept.' };
    }
    const names = input.pull === 'remove' ? await pullNamespaces(talk) : await namespacesOf(talk, input);
    if (input.pull === 'remove') {
      for (const name of names.slice(0, perStep)) await detachPull(talk, name);
      if (names.length > 0)
        return {
          state: 'again',
          progress: { kept: true },
          at: 1,
          percent: 50,
          note: `Removed from ${count(Math.min(names.length, perStep), 'namespace')}.`,
        };
      await keepRegistry(talk, keptAfter(input, before, undefined), undefined);
      return done('The pull Secret is removed.', before ? keptAfter(input, before, undefined) : { mirrors: [] });
    }
    if (!before?.pull) return done('What is deployed from now on takes its images so.', before ?? { mirrors: [] });
    const open: string[] = [];
    for (const name of names) if (!(await isAttached(talk, name))) open.push(name);
    await attachPull(talk, open.slice(0, perStep));
    if (open.length > perStep)
      return {
        state: 'again',
        progress: { kept: true },
        at: 1,
        percent: 60,
        note: `${count(open.length - perStep, 'namespace')} to go.`,
      };
    const where =
      names.length === 0
        ? ''
        : ` Pods of ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''} pull with it when they start.`;
    return done(`The pull Secret is in ${count(names.length, 'namespace')}.${where}`, before);
  },
};

function done(note: string, kept: RegistryKept) {
  const mirrors = kept.mirrors.length > 0 ? mirrorsText(kept.mirrors).replaceAll(',', ', ') : 'none of its own';
  const result = [
    { label: 'Mirrors', value: mirrors },
    { label: 'Pull Secret', value: kept.pull ? `${kept.pull.user} at ${kept.pull.host}` : 'none' },
  ];
  return { state: 'done' as const, progress: { kept: true }, at: 1, percent: 100, note, result };
}
