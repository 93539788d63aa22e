import { readFile } from 'node:fs/promises';
import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import type { Api } from './api.ts';
import { notHeat } from './api.ts';
import { harmless } from './harmless.ts';
import { type Keys, keysFor } from './parameters.ts';
import { type HeatProvisioner, readTemplate, templateProblem } from './schema.ts';
import { fromTemplate, fromValidated, type TemplateParameter } from './template-parameter.ts';
import { fetchTemplate } from './template-url.ts';
import { readAnswer, type Stack, ValidateAnswer } from './wire.ts';

/** How long a template that was read from its address is used before it is read again, in milliseconds. */
const urlMs = 5 * 60_000;
/** Stacks whose templates are remembered. */
const mostKnown = 500;

const reference = new URL('./templates/kubeadm-ubuntu.yaml', import.meta.url);

/** A template that Heat has taken, and what KQueen makes of its parameters. */
export interface Described {
  /** What goes to Heat. */
  text: string;
  /** In the template's order. */
  parameters: TemplateParameter[];
  keys: Keys;
  outputs: string[];
}

/** The parameters of a stack that exists, which may have been made from another template than the provisioner's. */
export type StackTemplate = Pick<Described, 'parameters' | 'keys'>;

/** The templates of a provisioner and of its stacks. */
export interface Templates {
  /** The provisioner's, validated by Heat; throws `bad-input` at `template` in Heat's words. `fresh` asks anew. */
  described(call: Call, fresh?: boolean): Promise<Described>;
  /** What was described last, without asking. */
  known(): Described | null;
  ofStack(stack: Stack, call: Call): Promise<StackTemplate>;
  /** The whole template of a stack, as Heat has it. */
  textOf(stack: Stack, call: Call): Promise<Record<string, unknown>>;
}

/** Keeps what Heat says of templates for as long as it cannot change. */
export function openTemplates(params: HeatProvisioner, api: Api): Templates {
  let last: { described: Described; readAt: number } | null = null;
  const stacks = new Map<string, StackTemplate>();

  async function textNow(call: Call): Promise<string> {
    if (params.template?.trim()) return params.template;
    if (!params.templateUrl) return readFile(reference, 'utf8');
    const text = await fetchTemplate(params.templateUrl, params, call);
    const wrong = templateProblem(text);
    if (!wrong) return text;
    throw new Fault('bad-input', `What is at the address of the template is none. ${wrong}`, {
      field: 'templateUrl',
      whose: 'admin',
      next: 'Ask an admin to correct the address of the template.',
    });
  }

  async function describe(text: string, call: Call): Promise<Described> {
    const answer = await validate(text, call);
    const { Parameters } = readAnswer(ValidateAnswer, answer);
    const read = readTemplate(text);
    const own = typeof read === 'string' ? [] : fromTemplate(read);
    // Heat tells more of a parameter, the template tells their order and which of them are immutable.
    const inOrder = [...own.map(({ name }) => name), ...Object.keys(Parameters)];
    const parameters = [...new Set(inOrder)].flatMap((name) => {
      const given = Parameters[name];
      if (!given) return [];
      return [{ ...fromValidated(name, given), immutable: own.find((each) => each.name === name)?.immutable ?? false }];
    });
    const names = parameters.map(({ name }) => name);
    return { text, parameters, keys: keysFor(names, params), outputs: outputsOf(read) };
  }

  async function validate(text: string, call: Call): Promise<unknown> {
    try {
      const answer = await api.heat({ method: 'POST', path: '/validate', body: { template: text } }, call);
      if (answer.status === 404) throw notHeat(answer);
      return answer.body;
    } catch (thrown) {
      if (!(thrown instanceof Fault) || thrown.kind !== 'bad-input') throw harmless(thrown);
      const said = thrown.message.replace(/^[^:]*: /, '');
      throw new Fault('bad-input', `Heat does not take the template of this provisioner: ${said}`, {
        field: 'template',
        whose: 'admin',
        next: 'Ask an admin to mend the template with `provisioner edit`.',
        ...(thrown.detail ? { detail: thrown.detail } : {}),
      });
    }
  }

  async function textOf(stack: Stack, call: Call): Promise<Record<string, unknown>> {
    const answer = await api.heat({ path: `${stackPath(stack.stack_name, stack.id)}/template` }, call);
    if (answer.status === 404) throw notHeat(answer);
    return answer.body !== null && typeof answer.body === 'object' ? (answer.body as Record<string, unknown>) : {};
  }

  return {
    textOf,
    async described(call, fresh = false) {
      const current = !params.templateUrl || (last !== null && Date.now() - last.readAt < urlMs);
      if (last && current && !fresh) return last.described;
      const text = await textNow(call);
      const described = last && last.described.text === text && !fresh ? last.described : await describe(text, call);
      last = { described, readAt: Date.now() };
      return described;
    },
    known: () => last?.described ?? null,
    async ofStack(stack, call) {
      // A stack changes its template only in an update, which has a time.
      const key = `${stack.id} ${stack.updated_time ?? ''}`;
      const known = stacks.get(key);
      if (known) return known;
      const parameters = fromTemplate(await textOf(stack, call));
      const names = parameters.map(({ name }) => name);
      const made = { parameters, keys: keysFor(names, params) };
      stacks.set(key, made);
      for (const oldest of stacks.keys()) {
        if (stacks.size <= mostKnown) break;
        stacks.delete(oldest);
      }
      return made;
    },
  };
}

/** `/stacks/NAME/ID`: the only address of a stack that Heat does not answer with a redirect. */
export function stackPath(name: string, id: string): string {
  return `/stacks/${encodeURIComponent(name)}/${encodeURIComponent(id)}`;
}

function outputsOf(template: Record<string, unknown> | string): string[] {
  if (typeof template === 'string') return [];
  const outputs = template.outputs ?? template.Outputs;
  return outputs !== null && typeof outputs === 'object' ? Object.keys(outputs) : [];
}
