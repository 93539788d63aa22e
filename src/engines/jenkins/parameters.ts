import { Fault } from '../../core/errors.ts';
import type { Parameter, Target } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import type { JenkinsProvisioner } from './schema.ts';
import { keyOf, mostNodes, nodesKey, readLines, versionKey } from './schema.ts';
import type { Definition, JobAnswer } from './wire.ts';

/** What a job is for. */
export type Purpose = 'provision' | 'deprovision' | 'scale' | 'upgrade';

/** A job of the provisioner, with the parameters that it has now. */
export interface Job {
  purpose: Purpose;
  /** Its full name: `folder/job`. */
  name: string;
  buildable: boolean;
  definitions: Definition[];
  /** Names of the parameters that stand for these; undefined where the job has none. */
  nameParameter: string | undefined;
  idParameter: string | undefined;
  nodesParameter: string | undefined;
  versionParameter: string | undefined;
  /** Values that are always given, by the provisioner. */
  fixed: Record<string, string>;
}

const nameDefaults = ['STACK_NAME', 'CLUSTER_NAME'];
const nodesDefaults = ['NODE_COUNT', 'NODES', 'WORKER_COUNT'];
const versionDefaults = ['KUBERNETES_VERSION', 'K8S_VERSION'];

/** Parameters whose value is a text that a person can type, by the simple names of their classes (hudson.model). */
const askable = new Set([
  'StringParameterDefinition',
  'TextParameterDefinition',
  'BooleanParameterDefinition',
  'ChoiceParameterDefinition',
]);

/** The name of the job for a purpose, or undefined where the provisioner has none. */
export function jobName(params: JenkinsProvisioner, purpose: Purpose): string | undefined {
  const names = {
    provision: params.provisionJob,
    deprovision: params.deprovisionJob,
    scale: params.scaleJob,
    upgrade: params.upgradeJob,
  };
  return names[purpose] || undefined;
}

/** The values that the provisioner always gives to the job for a purpose. */
export function fixedOf(params: JenkinsProvisioner, purpose: Purpose): Record<string, string> {
  const texts = {
    provision: params.provisionParameters,
    deprovision: params.deprovisionParameters,
    scale: params.updateParameters,
    upgrade: params.updateParameters,
  };
  return readLines(texts[purpose]) ?? {};
}

/** What the answer of a job says of it. */
export function readJob(params: JenkinsProvisioner, purpose: Purpose, name: string, answer: JobAnswer): Job {
  const definitions = (answer.property ?? []).flatMap((each) => each?.parameterDefinitions ?? []);
  const declared = (names: (string | undefined)[]) =>
    names.find((each) => definitions.some((one) => one.name === each));
  const named = (wanted: string | undefined, defaults: string[]) => declared(wanted ? [wanted] : defaults);
  return {
    purpose,
    name,
    buildable: answer.buildable !== false,
    definitions,
    nameParameter: named(params.nameParameter, nameDefaults),
    idParameter: declared([params.idParameter]),
    nodesParameter: named(params.nodesParameter, nodesDefaults),
    versionParameter: named(params.versionParameter, versionDefaults),
    fixed: fixedOf(params, purpose),
  };
}

/** What is wrong with a job for its purpose, in a sentence, with the field of the provisioner; null when it will do. */
export function flawOf(params: JenkinsProvisioner, job: Job): { field: string; message: string; next: string } | null {
  const field = `${job.purpose}Job`;
  const add = 'Add it in the configuration of the job, as a string parameter';
  if (!job.buildable) {
    return { field, message: `The job ${job.name} is disabled.`, next: 'Enable it in Jenkins.' };
  }
  if (!job.nameParameter && (job.purpose === 'provision' || !job.idParameter)) {
    const wanted = params.nameParameter ?? nameDefaults.join(' or ');
    return {
      field: 'nameParameter',
      message: `The job ${job.name} has no parameter ${wanted} for the name of the cluster.`,
      next: `${add}, or name the parameter in the provisioner.`,
    };
  }
  if (job.purpose === 'provision' && !job.idParameter) {
    return {
      field: 'idParameter',
      message: `The job ${job.name} has no parameter ${params.idParameter}, by which KQueen recognises its clusters.`,
      next: `${add}.`,
    };
  }
  const needed: [string | undefined, string, string][] = [
    [job.purpose === 'scale' ? 'yes' : undefined, 'nodesParameter', job.nodesParameter ?? ''],
    [job.purpose === 'upgrade' ? 'yes' : undefined, 'versionParameter', job.versionParameter ?? ''],
  ];
  for (const [need, key, has] of needed) {
    if (!need || has) continue;
    const what = key === 'nodesParameter' ? 'the number of nodes' : 'the Kubernetes version';
    return {
      field: key,
      message: `The job ${job.name} has no parameter for ${what}.`,
      next: `${add}, or name the parameter in the provisioner.`,
    };
  }
  const undeclared = Object.keys(job.fixed).find((name) => !job.definitions.some((each) => each.name === name));
  if (undeclared !== undefined) {
    const of = job.purpose === 'provision' || job.purpose === 'deprovision' ? job.purpose : 'update';
    return {
      field: `${of}Parameters`,
      message: `The job ${job.name} has no parameter ${undeclared}, which the provisioner sets.`,
      next: 'Correct the fixed parameters of the provisioner, or add the parameter to the job.',
    };
  }
  return null;
}

/** Names that KQueen or the provisioner fills in, so that nobody is asked for them. */
function filled(params: JenkinsProvisioner, job: Job): Set<string | undefined> {
  const secrets = Object.keys(readLines(params.secretParameters) ?? {});
  return new Set([job.nameParameter, job.idParameter, ...Object.keys(job.fixed), ...secrets]);
}

/** The parameters of a cluster: those of the job that makes it, without the ones that are filled in or cannot be typed. */
export function offered(params: JenkinsProvisioner, job: Job): { parameter: Parameter; definition: Definition }[] {
  const taken = filled(params, job);
  const found = job.definitions
    .filter((each) => !taken.has(each.name) && askable.has(each.type ?? ''))
    .map((definition) => ({ definition, parameter: parameterOf(job, definition) }));
  return found.filter(({ parameter }, at) => found.findIndex((each) => each.parameter.key === parameter.key) === at);
}

/** The parameters that nobody can be asked for and that keep the job's default, with what they are. */
export function leftToTheJob(params: JenkinsProvisioner, job: Job): string[] {
  const taken = filled(params, job);
  return job.definitions
    .filter((each) => !taken.has(each.name) && !askable.has(each.type ?? ''))
    .map((each) => `${each.name} (${(each.type ?? 'unknown').replace(/ParameterDefinition$/, '').toLowerCase()})`);
}

function parameterOf(job: Job, definition: Definition): Parameter {
  const { name, type } = definition;
  const choices = definition.choices?.filter((choice) => choice !== '');
  const preset = definition.defaultParameterValue?.value;
  const help = oneLine((definition.description ?? '').replace(/<[^>]*>/g, ' '), [], 200);
  const base = { label: oneLine(name, [], 60), ...(help ? { help } : {}) };
  const counts = name === job.nodesParameter;
  const key = counts ? nodesKey : name === job.versionParameter ? versionKey : keyOf(name);
  if (type === 'BooleanParameterDefinition') {
    return { ...base, key, kind: 'toggle', required: false, default: preset === true || preset === 'true' };
  }
  if (type === 'ChoiceParameterDefinition' && choices && choices.length > 0) {
    const first = choices.includes(String(preset)) ? String(preset) : choices[0];
    return {
      ...base,
      key,
      kind: 'choice',
      required: true,
      choices,
      ...(first === undefined ? {} : { default: first }),
    };
  }
  if (counts) {
    const count = Number(preset);
    const usual = Number.isInteger(count) && count >= 1 && count <= mostNodes ? { default: count } : {};
    return { ...base, key, label: 'Nodes', kind: 'number', required: true, min: 1, max: mostNodes, ...usual };
  }
  const text = preset === undefined || preset === null || preset === '' ? {} : { default: String(preset) };
  const kind = type === 'TextParameterDefinition' ? 'multiline' : 'text';
  const words = key === versionKey ? { label: 'Kubernetes version', required: true, pattern: '[\\w.+-]{1,63}' } : {};
  return { ...base, key, kind, required: false, maxLength: kind === 'text' ? 1_000 : 20_000, ...text, ...words };
}

/** What a build is asked for besides the spec: the cluster's name and mark, and the counts where the job takes them. */
export interface Wish {
  target: Target;
  spec: Record<string, unknown>;
  /** KQueen's mark, in the parameter for the id. */
  mark: string;
  nodes?: number;
  version?: string;
}

/**
 * The values of one build, made anew for each: what belongs to one cluster never reaches the next. Throws `bad-input` with the field for a
 * parameter that the job does not have or a value that it does not take, before anything is asked of Jenkins.
 */
export function valuesFor(params: JenkinsProvisioner, job: Job, wish: Wish): Record<string, string> {
  const flaw = flawOf(params, job);
  if (flaw) throw new Fault('bad-input', flaw.message, { whose: 'admin', field: flaw.field, next: flaw.next });
  const values: Record<string, string> = {};
  const open = new Map(offered(params, job).map((each) => [each.parameter.key, each]));
  const spec: Record<string, unknown> = { ...wish.spec };
  if (wish.nodes !== undefined) spec[nodesKey] = wish.nodes;
  if (wish.version !== undefined) spec[versionKey] = wish.version;
  for (const [key, value] of Object.entries(spec)) {
    if (value === undefined || value === null || value === '') continue;
    const found = open.get(key);
    if (found) values[found.definition.name] = textFor(job, found, value);
    else if (job.purpose === 'provision') throw unknownParameter(job, key, [...open.keys()]);
  }
  for (const { parameter } of open.values()) {
    if (job.purpose !== 'provision' || !parameter.required || parameter.default !== undefined) continue;
    if (!spec[parameter.key]) {
      throw new Fault('bad-input', `${parameter.label} is missing.`, { field: parameter.key, next: 'Fill it in.' });
    }
  }
  if (job.nameParameter) values[job.nameParameter] = wish.target.externalName;
  if (job.idParameter) values[job.idParameter] = wish.mark;
  Object.assign(values, job.fixed);
  for (const [name, value] of Object.entries(readLines(params.secretParameters) ?? {})) {
    if (job.definitions.some((each) => each.name === name)) values[name] = value;
  }
  return values;
}

function textFor(
  job: Job,
  { parameter, definition }: { parameter: Parameter; definition: Definition },
  value: unknown,
) {
  const refuse = (why: string, next: string) =>
    new Fault('bad-input', `${parameter.label} cannot be ${oneLine(String(value), [], 60)}: ${why}.`, {
      field: parameter.key,
      next,
    });
  const text = String(value);
  const { kind, choices = [], min = 1, max = mostNodes } = parameter;
  if (kind === 'choice' && !choices.includes(text)) {
    throw refuse(`the job ${job.name} does not offer it`, `Choose one of: ${choices.slice(0, 20).join(', ')}.`);
  }
  if (kind === 'toggle' && !/^(true|false)$/.test(text)) throw refuse('it is yes or no', 'Choose yes or no.');
  if (kind === 'number' && !(/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max)) {
    throw refuse(`it is a whole number from ${min} to ${max}`, 'Choose another number.');
  }
  const { maxLength, pattern } = parameter;
  if (maxLength !== undefined && text.length > maxLength) throw refuse('it is too long', 'Shorten it.');
  if (pattern && !new RegExp(`^(?:${pattern})$`).test(text)) throw refuse('it is no version', 'Write it like 1.34.2.');
  if (kind === 'text' && /[\r\n]/.test(text)) throw refuse('it is one line', `Write ${definition.name} on one line.`);
  return text;
}

function unknownParameter(job: Job, key: string, known: string[]): Fault {
  return new Fault(
    'bad-input',
    `The job ${job.name} has no parameter ${oneLine(key, [], 60)} that a cluster can set.`,
    {
      field: key,
      next: known.length > 0 ? `It takes: ${known.slice(0, 30).join(', ')}.` : 'Leave it out: the job takes none.',
    },
  );
}
