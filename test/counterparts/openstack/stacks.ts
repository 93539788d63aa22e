/** The stacks of the fake: what they are made of and how they change with time. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { KubeApi, KubeBackend } from '../../engines/harness.ts';
import { type Hot, type HotResource, holds, type Json, object, resolve, type Scope } from './hot.ts';

export interface FakeResource {
  name: string;
  type: string;
  physicalId: string;
  action: string;
  status: string;
  reason: string;
  updatedAt: number;
  definition: HotResource;
  /** The group that it belongs to. */
  parent?: FakeResource;
  /** When what it stands for was made: another time when that was replaced. */
  madeAt: number;
  /** Of a server: its name at Nova. */
  host: string;
  /** Of a group: members that its removal policies have named, which never come back. */
  skipped: Set<string>;
  /** Of a group: the id and name of the stack that it is. */
  nested?: { id: string; name: string };
}

export interface FakeEvent {
  id: string;
  at: number;
  resource: string;
  status: string;
  reason: string;
}

export interface FakeStack {
  id: string;
  name: string;
  project: string;
  owner: string;
  tags: string[] | null;
  hot: Hot;
  values: Json;
  createdAt: number;
  updatedAt: number | null;
  deletedAt: number | null;
  action: string;
  status: string;
  reason: string;
  disableRollback: boolean;
  timeoutMins: number | null;
  resources: FakeResource[];
  events: FakeEvent[];
  /** What is under way: how far (0 to 1), and what it ends with. */
  work: { share: number; ms: number; stalls: boolean; fails: string | null; ending: boolean } | null;
  kube: KubeApi | null;
  /** Values that machines and random resources have, by resource. */
  facts: Map<string, string>;
}

/** What happens to operations, by a test's wish. */
export interface Mood {
  failCreates: string | null;
  failUpdates: string | null;
  /** Operations that begin now stop half-way. */
  stall: boolean;
}

export interface World {
  stacks: Map<string, FakeStack>;
  mood: Mood;
  begin(stack: FakeStack, action: string): void;
  /** Lets what stalled go on. */
  goOn(): void;
  /** How a stack's outputs are, as far as they are known. */
  outputs(stack: FakeStack): { name: string; value: unknown }[];
  scopeOf(stack: FakeStack): Scope;
  /** The resources at the top that a template asks for with these values. */
  wanted(stack: Pick<FakeStack, 'hot' | 'values'>): string[];
  /** Marks a resource as one that the next update makes anew. */
  markUnhealthy(stack: FakeStack, resource: FakeResource, reason: string): void;
  /** The servers of a stack. */
  servers(stack: FakeStack): FakeResource[];
  made(name: string): number;
  secrets: Set<string>;
  close(): void;
}

export interface WorldOptions {
  /** How long a create takes, in milliseconds; an update takes half, a deletion a quarter. */
  createMs: number;
  kube?: KubeBackend;
  /** PEM, in the kubeconfigs of clusters that lead nowhere. */
  ca: string;
}

const tickMs = 15;

/** Nobody's addresses, for documentation (RFC 5737). */
const publicNet = '203.0.113.';

export function makeWorld(options: WorldOptions): World {
  const stacks = new Map<string, FakeStack>();
  const secrets = new Set<string>();
  const everMade: string[] = [];
  const mood: Mood = { failCreates: null, failUpdates: null, stall: false };
  let addresses = 0;

  function scopeOf(stack: FakeStack): Scope {
    const values = { ...stack.values, 'OS::stack_name': stack.name, 'OS::stack_id': stack.id };
    return {
      values,
      conditions: stack.hot.conditions,
      attribute: (name, path) => attributeOf(stack, name, path),
    };
  }

  function attributeOf(stack: FakeStack, name: string, path: unknown[]): unknown {
    const resource = stack.resources.find((each) => each.name === name && !each.parent);
    if (!resource || resource.action === 'INIT') return null;
    const fact = (make: () => string) => {
      const known = stack.facts.get(name) ?? make();
      stack.facts.set(name, known);
      return known;
    };
    switch (resource.type) {
      case 'OS::Heat::WaitCondition':
        return resource.status === 'COMPLETE' ? signals(stack) : '{}';
      case 'OS::Heat::RandomString':
        return fact(() => randomBytes(8).toString('hex'));
      case 'OS::Heat::Value':
        return resolve(resource.definition.properties.value, scopeOf(stack));
      case 'OS::Heat::TestResource':
        return resolve(resource.definition.properties.value ?? null, scopeOf(stack));
      case 'OS::Neutron::FloatingIP':
        return fact(() => {
          addresses += 1;
          return `${publicNet}${(addresses % 250) + 1}`;
        });
      default:
        return path.length > 0 ? null : name;
    }
  }

  /** What the control plane of the reference template signals: its kubeconfig in base64, by version, in the order of JSON. */
  function signals(stack: FakeStack): string {
    const version = String(stack.values.kubernetes_version ?? '');
    const offered = (stack.hot.parameters.find(({ name }) => name === 'kubernetes_version')?.constraints ?? [])
      .flatMap((each) => (Array.isArray(each.allowed_values) ? each.allowed_values.map(String) : []))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    const data = Buffer.from(kubeconfigOf(stack)).toString('base64');
    const reached = offered.slice(0, offered.indexOf(version) + 1);
    return JSON.stringify(Object.fromEntries((reached.length > 0 ? reached : ['1']).map((each) => [each, data])));
  }

  function kubeconfigOf(stack: FakeStack): string {
    if (stack.kube) return stack.kube.kubeconfig;
    const token = stack.facts.get('#token') ?? randomBytes(24).toString('hex');
    stack.facts.set('#token', token);
    secrets.add(token);
    const address = String(attributeOf(stack, 'control_plane_ip', ['floating_ip_address']) ?? `${publicNet}254`);
    return [
      'apiVersion: v1',
      'kind: Config',
      'clusters:',
      '  - name: kubernetes',
      '    cluster:',
      `      server: https://${address}:6443`,
      `      certificate-authority-data: ${Buffer.from(options.ca).toString('base64')}`,
      'users:',
      '  - name: kubernetes-admin',
      `    user: { token: ${token} }`,
      'contexts:',
      '  - name: admin',
      '    context: { cluster: kubernetes, user: kubernetes-admin }',
      'current-context: admin',
      '',
    ].join('\n');
  }

  /** The resources that the template asks for now, at the top. */
  function wanted(stack: FakeStack): HotResource[] {
    const scope = scopeOf(stack);
    return stack.hot.resources.filter((each) => each.condition === undefined || holds(each.condition, scope));
  }

  function add(stack: FakeStack, definition: HotResource, parent?: FakeResource, name = definition.name): FakeResource {
    const made: FakeResource = {
      ...{ name, type: definition.type, physicalId: '', action: 'INIT', status: 'COMPLETE', reason: '' },
      ...{ updatedAt: Date.now(), definition, madeAt: 0, host: '', skipped: new Set<string>() },
    };
    if (parent) made.parent = parent;
    stack.resources.push(made);
    return made;
  }

  function set(
    stack: FakeStack,
    resource: FakeResource,
    action: string,
    status: string,
    reason = 'state changed',
  ): void {
    if (resource.action === action && resource.status === status) return;
    Object.assign(resource, { action, status, reason, updatedAt: Date.now() });
    if (!resource.physicalId) make(stack, resource);
    record(stack, resource.name, `${action}_${status}`, reason);
  }

  /** Heat makes a name for a server that the template gives none. */
  function make(stack: FakeStack, resource: FakeResource): void {
    Object.assign(resource, { physicalId: randomUUID(), madeAt: Date.now() });
    const given = resolve(resource.definition.properties.name ?? null, scopeOf(stack));
    const made = `${stack.name}-${resource.name}-${randomBytes(6).toString('hex')}`;
    resource.host = given === null ? made : String(given).replaceAll('%index%', resource.name);
  }

  function record(stack: FakeStack, resource: string, status: string, reason: string): void {
    stack.events.push({ id: randomUUID(), at: Date.now(), resource, status, reason });
  }

  function setStack(stack: FakeStack, action: string, status: string, reason: string): void {
    Object.assign(stack, { action, status, reason });
    record(stack, stack.name, `${action}_${status}`, reason);
  }

  function childrenOf(stack: FakeStack, group: FakeResource): FakeResource[] {
    return stack.resources.filter((each) => each.parent === group);
  }

  function countOf(stack: FakeStack, group: FakeResource): number {
    return Number(resolve(group.definition.properties.count ?? 1, scopeOf(stack)) ?? 1);
  }

  /** Members of a group up to its count: new ones are begun, the last ones go first. */
  function size(stack: FakeStack, group: FakeResource): void {
    group.nested ??= { id: randomUUID(), name: `${stack.name}-${group.name}-${randomBytes(6).toString('hex')}` };
    const count = countOf(stack, group);
    const inner = object(group.definition.properties.resource_def);
    const members = childrenOf(stack, group);
    const policies = resolve(group.definition.properties.removal_policies ?? [], scopeOf(stack));
    for (const policy of Array.isArray(policies) ? policies.map(object) : []) {
      const named = Array.isArray(policy.resource_list) ? policy.resource_list.map(String) : [];
      for (const name of named) if (members.some((each) => each.name === name)) group.skipped.add(name);
    }
    const names: string[] = [];
    for (let at = 0; names.length < count; at += 1) if (!group.skipped.has(String(at))) names.push(String(at));
    for (const each of members) {
      if (!names.includes(each.name)) stack.resources.splice(stack.resources.indexOf(each), 1);
    }
    for (const name of names) {
      if (members.some((each) => each.name === name)) continue;
      add(stack, { name, type: String(inner.type ?? ''), properties: object(inner.properties) }, group, name);
    }
  }

  function begin(stack: FakeStack, action: string): void {
    const now = Date.now();
    const fails = action === 'CREATE' ? mood.failCreates : action === 'UPDATE' ? mood.failUpdates : null;
    const part = action === 'CREATE' ? 1 : action === 'DELETE' ? 0.25 : 0.5;
    const stalls = mood.stall && (action === 'CREATE' || action === 'UPDATE');
    stack.work = { share: 0, ms: options.createMs * part, stalls, fails, ending: false };
    if (action === 'CREATE') everMade.push(stack.name);
    if (action === 'CREATE') for (const each of wanted(stack)) add(stack, each);
    // Heat's times are whole seconds; two updates of one second are told apart by the next whole one.
    if (action === 'UPDATE' || action === 'ROLLBACK') stack.updatedAt = Math.max(now, (stack.updatedAt ?? 0) + 1_000);
    if (action === 'UPDATE') {
      for (const each of stack.resources) {
        each.definition =
          (!each.parent && stack.hot.resources.find(({ name }) => name === each.name)) || each.definition;
        // What is unhealthy is made anew.
        if (each.action !== 'CHECK' || each.status !== 'FAILED') continue;
        Object.assign(each, { physicalId: '', action: 'INIT', status: 'COMPLETE' });
      }
    }
    setStack(stack, action, 'IN_PROGRESS', `Stack ${action} started`);
  }

  /** Brings the resources to where the work is. */
  function show(stack: FakeStack, share: number): void {
    const tops = stack.resources.filter((each) => !each.parent);
    if (stack.action === 'CREATE') {
      const at = share * tops.length;
      tops.forEach((each, index) => {
        if (index + 1 <= at) complete(stack, each, 'CREATE');
        else if (index < at) progress(stack, each, at - index);
      });
    }
    if (stack.action === 'UPDATE') {
      for (const each of tops) if (each.type === 'OS::Heat::ResourceGroup') progress(stack, each, share, 'UPDATE');
    }
    if (stack.action === 'SUSPEND' || stack.action === 'RESUME') {
      for (const each of tops.slice(0, Math.floor(share * tops.length))) complete(stack, each, stack.action);
    }
    if (stack.action === 'DELETE' || stack.action === 'ROLLBACK') {
      for (const each of tops.slice(Math.ceil((1 - share) * tops.length)).reverse()) {
        set(stack, each, 'DELETE', 'COMPLETE');
        for (const gone of [each, ...childrenOf(stack, each)]) stack.resources.splice(stack.resources.indexOf(gone), 1);
      }
    }
  }

  function progress(stack: FakeStack, resource: FakeResource, share: number, action = 'CREATE'): void {
    set(stack, resource, action, 'IN_PROGRESS');
    if (resource.type !== 'OS::Heat::ResourceGroup') return;
    size(stack, resource);
    const members = childrenOf(stack, resource);
    members.forEach((each, index) => {
      if (each.status === 'COMPLETE' && each.action !== 'INIT') return;
      if (index + 1 <= share * members.length) set(stack, each, 'CREATE', 'COMPLETE');
      else set(stack, each, 'CREATE', 'IN_PROGRESS');
    });
  }

  function complete(stack: FakeStack, resource: FakeResource, action: string): void {
    if (resource.type === 'OS::Heat::ResourceGroup' && (action === 'CREATE' || action === 'UPDATE'))
      size(stack, resource);
    for (const each of childrenOf(stack, resource))
      set(stack, each, action === 'UPDATE' ? 'CREATE' : action, 'COMPLETE');
    set(stack, resource, action, 'COMPLETE');
  }

  function fail(stack: FakeStack, why: string): void {
    const tops = stack.resources.filter((each) => !each.parent);
    const broken =
      tops.find((each) => each.status === 'IN_PROGRESS') ?? tops.find((each) => each.action === 'INIT') ?? tops[0];
    const reason = `ResourceInError: resources.${broken?.name ?? ''}: ${why}`;
    if (broken) set(stack, broken, stack.action, 'FAILED', reason);
    stack.work = null;
    setStack(stack, stack.action, 'FAILED', `Resource ${stack.action} failed: ${reason}`);
    if (!stack.disableRollback && stack.action === 'CREATE') begin(stack, 'ROLLBACK');
  }

  async function end(stack: FakeStack): Promise<void> {
    const { action } = stack;
    if (action === 'CREATE' && options.kube) stack.kube = await options.kube.open(stack.name, machinesOf(stack));
    if (stack.kube) secrets.add(stack.kube.token);
    if (action === 'UPDATE' && stack.kube) await options.kube?.scale(stack.name, machinesOf(stack));
    if (action === 'DELETE' && stack.kube) await options.kube?.remove(stack.name);
    if (stack.action !== action) return;
    stack.work = null;
    if (action === 'CREATE' || action === 'UPDATE') {
      const names = wanted(stack).map(({ name }) => name);
      for (const each of stack.resources.filter((one) => !one.parent && !names.includes(one.name)))
        stack.resources.splice(stack.resources.indexOf(each), 1);
      for (const each of wanted(stack)) {
        const there = stack.resources.find((one) => !one.parent && one.name === each.name);
        const group = each.type === 'OS::Heat::ResourceGroup';
        if (!there) complete(stack, add(stack, each), 'CREATE');
        else if (action === 'CREATE' || group) complete(stack, there, action);
        else if (there.action === 'INIT') complete(stack, there, 'CREATE');
      }
    } else show(stack, 1);
    if (action === 'DELETE') {
      stack.deletedAt = Date.now();
      stack.resources = [];
    }
    setStack(stack, action, 'COMPLETE', `Stack ${action} completed successfully`);
  }

  /** How many nodes the cluster's own API has: workers and gateways. */
  function machinesOf(stack: FakeStack): number {
    return Number(stack.values.node_count ?? 1) + Number(stack.values.gateway_count ?? 0);
  }

  function tick(stack: FakeStack, passed: number): void {
    const { work } = stack;
    if (!work || work.ending) return;
    work.share = Math.min(1, work.share + passed / Math.max(1, work.ms));
    if (work.stalls) work.share = Math.min(work.share, 0.5);
    if (work.fails !== null && work.share >= 0.4) fail(stack, work.fails);
    else if (work.share < 1) show(stack, work.share);
    else {
      work.ending = true;
      end(stack).catch((error: unknown) => fail(stack, String(error)));
    }
  }

  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const stack of stacks.values()) tick(stack, now - last);
    last = now;
  }, tickMs);

  return {
    stacks,
    mood,
    begin,
    scopeOf,
    wanted({ hot, values }) {
      const scope = { values, conditions: hot.conditions, attribute: () => null };
      const there = hot.resources.filter(({ condition }) => condition === undefined || holds(condition, scope));
      return there.map(({ name }) => name);
    },
    markUnhealthy: (stack, resource, reason) => set(stack, resource, 'CHECK', 'FAILED', reason),
    servers: (stack) => stack.resources.filter((each) => each.type === 'OS::Nova::Server' && each.physicalId !== ''),
    goOn() {
      mood.stall = false;
      for (const stack of stacks.values()) if (stack.work) stack.work.stalls = false;
    },
    outputs: (stack) => stack.hot.outputs.map(({ name, value }) => ({ name, value: resolve(value, scopeOf(stack)) })),
    made: (name) => everMade.filter((each) => each === name).length,
    secrets,
    close: () => clearInterval(timer),
  };
}
