import { type JsonObject, textAt, textsAt, valueAt } from './json.ts';
import { badRequest } from './kube-status.ts';

/** Whether an object is selected. */
export type Selector = (object: JsonObject) => boolean;

type Test = (labels: Record<string, string>) => boolean;

/** Splits at commas that are not within parentheses. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let term = '';
  for (const letter of text) {
    if (letter === '(') depth += 1;
    if (letter === ')') depth -= 1;
    if (letter === ',' && depth === 0) {
      terms.push(term);
      term = '';
    } else {
      term += letter;
    }
  }
  terms.push(term);
  return terms.map((part) => part.trim()).filter((part) => part !== '');
}

const KEY = '([A-Za-z0-9][-A-Za-z0-9_./]*)';
const SET = new RegExp(`^${KEY}\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUALS = new RegExp(`^${KEY}\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)$`);
const ORDER = new RegExp(`^${KEY}\\s*(<|>)\\s*(-?\\d+)$`);
const EXISTS = new RegExp(`^(!?)\\s*${KEY}$`);

function labelTest(term: string): Test {
  const set = SET.exec(term);
  if (set !== null) {
    const [, key = '', operator, values = ''] = set;
    const wanted = new Set(values.split(',').map((value) => value.trim()));
    if (operator === 'in') return (labels) => labels[key] !== undefined && wanted.has(labels[key]);
    return (labels) => labels[key] === undefined || !wanted.has(labels[key]);
  }
  const equals = EQUALS.exec(term);
  if (equals !== null) {
    const [, key = '', operator, value = ''] = equals;
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const order = ORDER.exec(term);
  if (order !== null) {
    const [, key = '', operator, value = ''] = order;
    return (labels) => {
      if (!/^-?\d+$/.test(labels[key] ?? '')) return false;
      return operator === '<' ? Number(labels[key]) < Number(value) : Number(labels[key]) > Number(value);
    };
  }
  const exists = EXISTS.exec(term);
  if (exists !== null) {
    const [, not, key = ''] = exists;
    return (labels) => (labels[key] !== undefined) === (not === '');
  }
  throw badRequest(`unable to parse requirement: "${term}"`);
}

/** A label selector as in a query; throws a 400 StatusError. */
export function labelSelector(text: string): Selector {
  const tests = splitTerms(text).map(labelTest);
  return (object) => {
    const labels = textsAt(object, 'metadata', 'labels');
    return tests.every((test) => test(labels));
  };
}

/** Field paths that every kind can be selected by, and those of some kinds; the API server refuses all others. */
const FIELDS: Record<string, readonly string[]> = {
  '': ['metadata.name', 'metadata.namespace'],
  nodes: ['spec.unschedulable'],
  namespaces: ['status.phase'],
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'status.phase',
    'status.podIP',
  ],
  secrets: ['type'],
  services: ['spec.clusterIP', 'spec.type'],
  replicasets: ['status.replicas'],
  events: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
};

/** A field selector as in a query, for a resource given by its plural; throws a 400 StatusError. */
export function fieldSelector(text: string, plural: string): Selector {
  const known = new Set([...(FIELDS[''] ?? []), ...(FIELDS[plural] ?? [])]);
  const tests = splitTerms(text).map((term) => {
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`invalid field selector: "${term}"`);
    const [, path = '', operator, value = ''] = match;
    if (!known.has(path)) {
      throw badRequest(
        `Unable to find "${plural}" that match label selector "", field selector "${text}": field label not supported: ${path}`,
      );
    }
    return { path: path === 'source' ? ['source', 'component'] : path.split('.'), equal: operator !== '!=', value };
  });
  return (object) =>
    tests.every(({ path, equal, value }) => {
      const found = valueAt(object, ...path);
      const shown = found === undefined || found === null ? '' : String(found);
      const same = path.at(-1) === 'unschedulable' ? (shown === 'true') === (value === 'true') : shown === value;
      return same === equal;
    });
}

/** Whether an object's labels satisfy a LabelSelector of a spec (matchLabels and matchExpressions). */
export function matchesLabels(selector: JsonObject, labels: Record<string, string>): boolean {
  const wanted = Object.entries(textsAt(selector, 'matchLabels'));
  if (!wanted.every(([key, value]) => labels[key] === value)) return false;
  const expressions = valueAt(selector, 'matchExpressions');
  if (!Array.isArray(expressions)) return true;
  return expressions.every((expression) => {
    const key = textAt(expression, 'key') ?? '';
    const values = valueAt(expression, 'values');
    const has = labels[key] !== undefined;
    const among = Array.isArray(values) && has && values.includes(labels[key] ?? '');
    switch (textAt(expression, 'operator')) {
      case 'In':
        return among;
      case 'NotIn':
        return !among;
      case 'Exists':
        return has;
      case 'DoesNotExist':
        return !has;
      default:
        return false;
    }
  });
}
