/** What a template makes its nodes of: groups of servers, or servers each under a condition of its own. */
import { z } from 'zod';
import { keysFor } from './parameters.ts';
import { readTemplate } from './schema.ts';

export const groupType = 'OS::Heat::ResourceGroup';
export const serverType = 'OS::Nova::Server';

/** An object of a template, or an empty one. */
export function record(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** Whether this definition is a group of as many servers as the parameter says. */
export function isGroupOf(definition: Record<string, unknown>, parameter: string): boolean {
  const { count } = record(definition.properties);
  return definition.type === groupType && record(count).get_param === parameter;
}

/** Whether a condition asks for this parameter. */
export function countedBy(condition: unknown, parameter: string): boolean {
  return JSON.stringify(condition ?? null).includes(JSON.stringify({ get_param: parameter }));
}

const name = z.string().optional().catch(undefined);
const Asked = z.object({
  ...{ template: name, templateUrl: name },
  ...{ nodeParameter: name, gatewayParameter: name, versionParameter: name, sizeParameter: name, keyParameter: name },
});

/** Answers for the last texts: they are asked for with every look at a cluster, and a template is long. */
const answers = new Map<string, string | null>();
const mostAnswers = 50;

/** Why clusters of a provisioner with these parameters let no single machine go, and what to do instead; null when they do. Pure. */
export function whyNoRetire(params: Record<string, unknown>): string | null {
  const asked = Asked.parse(params);
  if (!asked.template?.trim()) {
    if (!asked.templateUrl) return null;
    return 'KQueen has to know what the nodes of the template are, so it must stand in the provisioner itself and not be read from an address; else mark the server as unhealthy in OpenStack (`openstack stack resource mark unhealthy`) and update the stack.';
  }
  const key = JSON.stringify(asked);
  const known = answers.get(key);
  if (known !== undefined) return known;
  const answer = lettingGo(asked.template, asked)
    ? null
    : 'The template of this provisioner makes its nodes of something else than groups of servers (OS::Heat::ResourceGroup) counted by one parameter each, so that no single one can go; an admin can change the template for new clusters.';
  answers.set(key, answer);
  for (const oldest of answers.keys()) {
    if (answers.size <= mostAnswers) break;
    answers.delete(oldest);
  }
  return answer;
}

/** Every pool that the template counts has to be one from which a chosen machine can go. */
function lettingGo(text: string, asked: z.infer<typeof Asked>): boolean {
  const template = readTemplate(text);
  if (typeof template === 'string') return false;
  const { roles } = keysFor(Object.keys(record(template.parameters)), asked);
  const definitions = Object.values(record(template.resources)).map(record);
  const inGroup = (parameter: string) =>
    definitions.some(
      (each) => isGroupOf(each, parameter) && record(record(each.properties).resource_def).type === serverType,
    );
  // Which of them a smaller number removes is Heat's word at that time; conditions can change places (`retire.ts`).
  const alone = (parameter: string) => {
    const conditions = record(template.conditions);
    const own = definitions.filter(
      (each) =>
        each.type === serverType &&
        typeof each.condition === 'string' &&
        countedBy(conditions[each.condition], parameter),
    );
    return own.length > 0 && new Set(own.map(({ condition }) => condition)).size === own.length;
  };
  if (roles.nodes === undefined) return false;
  const pools = [roles.nodes, ...(roles.gateways === undefined ? [] : [roles.gateways])];
  return pools.every((parameter) => inGroup(parameter) || alone(parameter));
}
