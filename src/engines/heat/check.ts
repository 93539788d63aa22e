import { Fault } from '../../core/errors.ts';
import type { Call, CheckResult } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import { type Api, heatBase, notHeat } from './api.ts';
import { roles } from './parameters.ts';
import { HeatProvisioner } from './schema.ts';
import type { Session } from './session.ts';
import type { Described, Templates } from './template.ts';
import { readAnswer, StacksAnswer } from './wire.ts';

interface Parts {
  params: HeatProvisioner;
  session: Session;
  api: Api;
  templates: Templates;
  /** Parameters that the provisioner fixes. */
  fixed: ReadonlySet<string>;
}

/** Signs in anew, looks for Heat in the catalogue, lists a stack and lets Heat read the template. Never throws for what an admin can mend. */
export async function checkAll(parts: Parts, call: Call): Promise<CheckResult> {
  try {
    return await probe(parts, call);
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    // A check that was called off says nothing about the cloud.
    if (call.signal.aborted && Date.now() < call.deadline - 50) throw thrown;
    const passing = thrown.kind === 'unreachable' || thrown.kind === 'rate-limited';
    return {
      state: passing ? 'Unreachable' : 'Error',
      message: /[.!?…]$/.test(thrown.message) ? thrown.message : `${thrown.message}.`,
      ...(thrown.next ? { next: thrown.next } : {}),
      ...(thrown.field && Object.hasOwn(HeatProvisioner.shape, thrown.field) ? { field: thrown.field } : {}),
      facts: [],
    };
  }
}

async function probe({ params, session, api, templates, fixed }: Parts, call: Call): Promise<CheckResult> {
  // A token that is still good would hide that the password no longer is.
  session.drop();
  const signedIn = await session.signedIn(call);
  const list = await api.heat({ path: '/stacks', query: { limit: 1, with_count: 'True' } }, call);
  if (list.status === 404) throw notHeat(list);
  const { count } = readAnswer(StacksAnswer, list.body);
  const template = await templates.described(call, true);
  const facts = [
    { label: 'Project', value: oneLine(signedIn.project.name, [], 80) },
    { label: 'Roles', value: oneLine(signedIn.roles.join(', ') || 'none', [], 120) },
    { label: 'Heat', value: oneLine(new URL(heatBase(params, signedIn)).host, [], 120) },
  ];
  if (params.region) facts.push({ label: 'Region', value: oneLine(params.region, [], 80) });
  if (typeof count === 'number') facts.push({ label: 'Stacks in the project', value: String(count) });
  facts.push({ label: 'Template', value: sourceOf(params) });
  facts.push({ label: 'Parameters', value: meanings(template) });
  const wrong = problemOf(template, params, fixed);
  if (wrong) return { state: 'Error', ...wrong, facts };
  return { state: 'OK', message: 'OpenStack accepts the credentials, and Heat takes the template.', facts };
}

function sourceOf(params: HeatProvisioner): string {
  if (params.template?.trim()) return 'given in the provisioner';
  if (params.templateUrl) return oneLine(`read from ${new URL(params.templateUrl).host}`, [], 120);
  return "KQueen's reference template (kubeadm on Ubuntu)";
}

const words = {
  nodes: 'workers',
  gateways: 'gateways',
  version: 'version',
  size: 'flavor',
  sshKey: 'key pair',
} as const;

/** Which parameter was taken for what, so that an admin sees a wrong guess. */
function meanings({ keys }: Described): string {
  const found = roles.flatMap((role) => (keys.roles[role] ? [`${words[role]} = ${keys.roles[role]}`] : []));
  return oneLine(found.join(', ') || 'none that KQueen knows: clusters cannot be scaled or upgraded', [], 240);
}

/** What makes a template that Heat takes useless here. */
function problemOf(
  template: Described,
  params: HeatProvisioner,
  fixed: ReadonlySet<string>,
): { message: string; next: string; field?: string } | null {
  if (!template.outputs.includes(params.kubeconfigOutput)) {
    return {
      message: oneLine(`The template has no output ${params.kubeconfigOutput}, so clusters would have no kubeconfig.`),
      next: oneLine(
        `Name the right output with \`provisioner edit\`. The template has: ${template.outputs.join(', ') || 'none'}.`,
        [],
        400,
      ),
      field: 'kubeconfigOutput',
    };
  }
  const names = template.parameters.map(({ name }) => name);
  const asked = ['nodeParameter', 'gatewayParameter', 'versionParameter', 'sizeParameter', 'keyParameter'] as const;
  const absent = [...asked.flatMap((key) => params[key] || []), ...fixed].filter((name) => !names.includes(name));
  if (absent.length > 0) {
    return {
      message: oneLine(`The template has no parameter ${absent.join(', ')}, which the provisioner names.`),
      next: oneLine(`Correct it with \`provisioner edit\`. The template has: ${names.join(', ')}.`, [], 400),
    };
  }
  const empty = template.parameters.filter(
    (each) => each.hidden && each.default === undefined && !fixed.has(each.name),
  );
  if (empty.length === 0) return null;
  return {
    message: oneLine(`Hidden parameters of the template have no value: ${empty.map(({ name }) => name).join(', ')}.`),
    next: 'Add them to the fixed template parameters with `provisioner edit`.',
    field: 'hiddenParameters',
  };
}
