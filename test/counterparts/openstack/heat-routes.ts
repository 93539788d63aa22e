/**
 * The fake's Heat API, after https://docs.openstack.org/api-ref/orchestration/v1/ and what Heat 19 answered on this project's own tests
 * (test/engines/heat-real.test.ts runs the same engine against both).
 */
import { randomUUID } from 'node:crypto';
import { HeatRefusal, type Json, object, readHot, validated, valuesOf } from './hot.ts';
import type { Token } from './keystone.ts';
import type { FakeEvent, FakeResource, FakeStack, World } from './stacks.ts';

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Asked {
  method: string;
  /** Below the project, decoded. */
  path: string[];
  query: URLSearchParams;
  body: unknown;
  token: Token;
  project: string;
  /** Up to and with the project, without a slash at the end. */
  base: string;
}

/** What the cloud allows. */
export interface Limits {
  stacks: number;
  /** Application credentials may create trusts, as before Keystone was patched. */
  credentialTrusts: boolean;
  exists(constraint: string, value: string): boolean;
}

/** An error body of Heat (heat/api/middleware/fault.py). */
export function heatError(status: number, type: string, message?: string): Answer {
  const titles: Record<number, [string, string]> = {
    400: [
      'Bad Request',
      'The server could not comply with the request since it is either malformed or otherwise incorrect.',
    ],
    403: ['Forbidden', 'Access was denied to this resource.'],
    404: ['Not Found', 'The resource could not be found.'],
    409: ['Conflict', 'There was a conflict when trying to complete your request.'],
    500: [
      'Internal Server Error',
      'The server has either erred or is incapable of performing the requested operation.',
    ],
  };
  const [title, explanation] = titles[status] ?? ['Error', ''];
  const error: Json = { type, traceback: null };
  // A refused role has no words at all.
  if (message !== undefined) error.message = message;
  return { status, body: { code: status, title, explanation, error } };
}

function stamp(at: number | null): string | null {
  return at === null ? null : `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** What there is below a stack. */
const parts = new Set(['resources', 'events', 'template', 'environment', 'outputs', 'actions', 'preview']);

/** Answers requests to Heat. */
export function makeHeat(world: World, limits: Limits): (asked: Asked) => Answer {
  return (asked) => {
    try {
      return route(asked);
    } catch (thrown) {
      if (thrown instanceof HeatRefusal) return heatError(thrown.status, thrown.type, thrown.message);
      throw thrown;
    }
  };

  function route(asked: Asked): Answer {
    const { method, path } = asked;
    const [kind, name, id, ...rest] = path;
    const line = `${method} ${kind ?? ''}`;
    if (line === 'POST validate' && name === undefined) return validate(asked);
    if (kind !== 'stacks') return heatError(404, 'HTTPNotFound', 'The resource could not be found.');
    if (name === undefined) return method === 'POST' ? create(asked) : list(asked);
    const all = [...world.stacks.values()].filter((each) => each.project === asked.project);
    // By name alone Heat only says where the stack is, whatever of it is asked for.
    if (id === undefined || parts.has(id)) {
      const named =
        all.find((each) => each.name === name && each.deletedAt === null) ?? all.find((each) => each.id === name);
      return named ? redirect(asked, named, path.slice(2)) : gone(name);
    }
    const stack = all.find((each) => each.name === name && each.id === id);
    return stack ? one(asked, stack, rest) : gone(name);
  }

  function one(asked: Asked, stack: FakeStack, rest: string[]): Answer {
    const { method } = asked;
    const [part, key] = rest;
    const gotten = method === 'GET';
    if (part === undefined) {
      if (gotten)
        return { status: 200, body: { stack: show(asked, stack, asked.query.get('resolve_outputs') !== 'False') } };
      if (stack.deletedAt !== null) return gone(stack.name);
      if (method === 'DELETE') return remove(stack);
      if (method === 'PATCH' || method === 'PUT') return update(asked, stack);
    }
    if (part === 'preview' && method === 'PATCH') return preview(asked, stack);
    if (part === 'actions' && method === 'POST') return act(asked, stack);
    if (part === 'resources' && key !== undefined && method === 'PATCH') return mark(asked, stack, key);
    if (!gotten) return heatError(404, 'HTTPNotFound', 'The resource could not be found.');
    if (part === 'resources') return { status: 200, body: { resources: resources(asked, stack) } };
    if (part === 'events') return { status: 200, body: { events: events(asked, stack) } };
    if (part === 'template') return { status: 200, body: stack.hot.raw };
    if (part === 'outputs') return outputs(stack, key);
    return heatError(404, 'HTTPNotFound', 'The resource could not be found.');
  }

  function validate(asked: Asked): Answer {
    const hot = readHot(object(asked.body).template);
    return {
      status: 200,
      body: {
        Description: hot.description,
        Parameters: Object.fromEntries(hot.parameters.map((each) => [each.name, validated(each)])),
        Environment: { resource_registry: { resources: {} }, parameters: {}, parameter_defaults: {}, event_sinks: [] },
      },
    };
  }

  function create(asked: Asked): Answer {
    const body = object(asked.body);
    const name = String(body.stack_name ?? '');
    const live = [...world.stacks.values()].filter((each) => each.project === asked.project && each.deletedAt === null);
    if (live.some((each) => each.name === name))
      return heatError(409, 'StackExists', `The Stack (${name}) already exists.`);
    if (live.length >= limits.stacks) {
      const words = `You have reached the maximum stacks per tenant, ${limits.stacks}. Please delete some stacks.`;
      return heatError(400, 'RequestLimitExceeded', `Request limit exceeded: ${words}`);
    }
    // Heat makes a trust for the stack, which a token of an application credential may not.
    if (asked.token.byCredential && !limits.credentialTrusts) return heatError(403, 'Forbidden');
    const hot = readHot(body.template);
    const values = valuesOf(hot, parametersOf(body), limits.exists);
    const stack: FakeStack = {
      ...{
        id: randomUUID(),
        name,
        project: asked.project,
        owner: asked.token.user.name,
        tags: tagsOf(body),
        hot,
        values,
      },
      ...{ createdAt: Date.now(), updatedAt: null, deletedAt: null, action: 'INIT', status: 'COMPLETE', reason: '' },
      disableRollback: body.disable_rollback !== false,
      timeoutMins: typeof body.timeout_mins === 'number' ? body.timeout_mins : null,
      ...{ resources: [], events: [], work: null, kube: null, facts: new Map() },
    };
    world.stacks.set(stack.id, stack);
    world.begin(stack, 'CREATE');
    const href = linkOf(asked, stack);
    return {
      status: 201,
      headers: { location: href },
      body: { stack: { id: stack.id, links: [{ href, rel: 'self' }] } },
    };
  }

  function update(asked: Asked, stack: FakeStack): Answer {
    const body = object(asked.body);
    if (stack.action === 'SUSPEND')
      return heatError(400, 'NotSupported', 'Updating a stack when it is suspended is not supported.');
    if (stack.action === 'DELETE')
      return heatError(400, 'NotSupported', 'Updating a stack when it is deleting is not supported.');
    const patch = asked.method === 'PATCH';
    const hot = (body.template ?? null) === null && patch ? stack.hot : readHot(body.template);
    const given = parametersOf(body);
    const values = valuesOf(hot, patch ? { ...stack.values, ...given } : given, limits.exists);
    const fixed = hot.parameters.filter(
      ({ name, schema }) => schema.immutable === true && String(values[name]) !== String(stack.values[name]),
    );
    if (fixed.length > 0) {
      const words = 'The following parameters are immutable and may not be updated:';
      return heatError(400, 'ImmutableParameterModified', `${words} ${fixed.map(({ name }) => name).join(', ')}`);
    }
    Object.assign(stack, { hot, values });
    if (body.tags !== undefined) stack.tags = tagsOf(body);
    if (typeof body.disable_rollback === 'boolean') stack.disableRollback = body.disable_rollback;
    world.begin(stack, 'UPDATE');
    return {
      status: 202,
      body: { message: 'The request is accepted for processing.\n\n\n', code: '202 Accepted', title: 'Accepted' },
    };
  }

  /** As Heat's own: every resource of the template under what would become of it; groups change when any parameter does. */
  function preview(asked: Asked, stack: FakeStack): Answer {
    const body = object(asked.body);
    const given = parametersOf(body);
    const hot = (body.template ?? null) === null ? stack.hot : readHot(body.template);
    const values = valuesOf(hot, { ...stack.values, ...given }, limits.exists);
    const wanted = new Set(world.wanted({ hot, values }));
    const moved = Object.entries(given).some(([key, value]) => String(stack.values[key]) !== String(value));
    const tops = stack.resources.filter((each) => !each.parent).map((each) => resource(asked, stack, each));
    const own = tops.filter(({ resource_name }) => wanted.has(String(resource_name)));
    const deleted = tops.filter((each) => !own.includes(each));
    const grows = (each: Json) => moved && each.resource_type === 'OS::Heat::ResourceGroup';
    const changes = { unchanged: own.filter((each) => !grows(each)), updated: own.filter(grows) };
    return { status: 200, body: { resource_changes: { ...changes, replaced: [], added: [], deleted } } };
  }

  /** A resource by its name, or by what it is called where it is (heat/engine/service.py, resource_mark_unhealthy). */
  function mark(asked: Asked, stack: FakeStack, key: string): Answer {
    const body = object(asked.body);
    if (typeof body.mark_unhealthy !== 'boolean') {
      return heatError(400, 'HTTPBadRequest', 'Unrecognized value for mark_unhealthy');
    }
    const found = stack.resources.find((each) => !each.parent && (each.name === key || each.physicalId === key));
    if (!found) {
      const words = `The Resource (${key}) could not be found in Stack ${stack.name}.`;
      return heatError(404, 'ResourceNotFound', words);
    }
    const reason = String(body.resource_status_reason ?? 'state changed by resource_mark_unhealthy api');
    if (body.mark_unhealthy) world.markUnhealthy(stack, found, reason);
    return { status: 200, body: null };
  }

  function remove(stack: FakeStack): Answer {
    if (stack.action !== 'DELETE' || stack.status !== 'IN_PROGRESS') world.begin(stack, 'DELETE');
    return { status: 204 };
  }

  function act(asked: Asked, stack: FakeStack): Answer {
    const [action = ''] = Object.keys(object(asked.body));
    const known: Record<string, string> = { suspend: 'SUSPEND', resume: 'RESUME', check: 'CHECK' };
    const word = known[action];
    if (!word) return heatError(400, 'HTTPBadRequest', `Invalid action ${action} specified`);
    world.begin(stack, word);
    return { status: 200, body: null };
  }

  function list(asked: Asked): Answer {
    const tags = asked.query.get('tags')?.split(',') ?? [];
    const all = [...world.stacks.values()]
      .filter((each) => each.project === asked.project && each.deletedAt === null)
      .filter((each) => tags.every((tag) => each.tags?.includes(tag)))
      .sort((a, b) => b.createdAt - a.createdAt);
    const after = asked.query.get('marker');
    const from = after ? all.findIndex(({ id }) => id === after) + 1 : 0;
    const limit = Number(asked.query.get('limit') ?? all.length) || all.length;
    const stacks = all.slice(from, from + limit).map((each) => entry(asked, each));
    const body: Json = { stacks };
    if (asked.query.get('with_count')?.toLowerCase() === 'true') body.count = all.length;
    return { status: 200, body };
  }

  function outputs(stack: FakeStack, key: string | undefined): Answer {
    const all = world.outputs(stack);
    if (key === undefined) {
      const named = all.map(({ name }) => ({ output_key: name, description: 'No description given' }));
      return { status: 200, body: { outputs: named } };
    }
    const found = all.find(({ name }) => name === key);
    // Heat 19 leaves the name out of its own sentence.
    if (!found) return heatError(404, 'NotFound', 'Specified output key {} not found.');
    return { status: 200, body: { output: output(found) } };
  }

  function output({ name, value }: { name: string; value: unknown }): Json {
    return { output_key: name, description: 'No description given', output_value: value };
  }

  function entry(asked: Asked, stack: FakeStack): Json {
    return {
      id: stack.id,
      links: [{ href: linkOf(asked, stack), rel: 'self' }],
      stack_name: stack.name,
      description: '',
      stack_status: `${stack.action}_${stack.status}`,
      stack_status_reason: stack.reason,
      creation_time: stamp(stack.createdAt),
      updated_time: stamp(stack.updatedAt),
      deletion_time: stamp(stack.deletedAt),
      stack_owner: stack.owner,
      parent: null,
      stack_user_project_id: stack.project,
      tags: stack.tags,
    };
  }

  function show(asked: Asked, stack: FakeStack, withOutputs: boolean): Json {
    const hidden = new Set(stack.hot.parameters.filter(({ schema }) => schema.hidden === true).map(({ name }) => name));
    const parameters = Object.entries(stack.values).map(([name, value]) => [
      name,
      hidden.has(name) ? '******' : asText(value),
    ]);
    return {
      ...entry(asked, stack),
      description: stack.hot.description,
      template_description: stack.hot.description,
      parameters: {
        'OS::stack_id': stack.id,
        'OS::project_id': stack.project,
        'OS::stack_name': stack.name,
        ...Object.fromEntries(parameters),
      },
      capabilities: [],
      notification_topics: [],
      disable_rollback: stack.disableRollback,
      timeout_mins: stack.timeoutMins,
      ...(withOutputs && stack.deletedAt === null ? { outputs: world.outputs(stack).map(output) } : {}),
    };
  }

  function resources(asked: Asked, stack: FakeStack): Json[] {
    const depth = Number(asked.query.get('nested_depth') ?? 0);
    return stack.resources.filter((each) => !each.parent || depth > 0).map((each) => resource(asked, stack, each));
  }

  function resource(asked: Asked, stack: FakeStack, one: FakeResource): Json {
    const nested = (home: { id: string; name: string }) => `${asked.base}/stacks/${home.name}/${home.id}`;
    const home = one.parent?.nested ? nested(one.parent.nested) : linkOf(asked, stack);
    const links = [
      { href: `${home}/resources/${one.name}`, rel: 'self' },
      { href: home, rel: 'stack' },
    ];
    if (one.nested) links.push({ href: nested(one.nested), rel: 'nested' });
    return {
      updated_time: stamp(one.updatedAt),
      creation_time: stamp(stack.createdAt),
      logical_resource_id: one.name,
      resource_name: one.name,
      physical_resource_id: one.physicalId,
      resource_status: `${one.action}_${one.status}`,
      resource_status_reason: one.reason,
      resource_type: one.type,
      links,
      required_by: [],
      ...(one.parent ? { parent_resource: one.parent.name } : {}),
    };
  }

  function events(asked: Asked, stack: FakeStack): Json[] {
    const descending = asked.query.get('sort_dir') === 'desc';
    // Heat 19 finds no event at all of a stack without resources when it looks for nested ones.
    const lost = asked.query.has('nested_depth') && stack.resources.length === 0;
    const some = lost ? [] : stack.events;
    const all = descending ? some.toReversed() : some;
    const after = asked.query.get('marker');
    const from = after ? all.findIndex(({ id }) => id === after) + 1 : 0;
    const limit = Number(asked.query.get('limit') ?? all.length) || all.length;
    return all.slice(from, from + limit).map((each) => event(asked, stack, each));
  }

  function event(asked: Asked, stack: FakeStack, one: FakeEvent): Json {
    const home = linkOf(asked, stack);
    return {
      id: one.id,
      event_time: stamp(one.at),
      resource_name: one.resource,
      logical_resource_id: one.resource,
      resource_status: one.status,
      resource_status_reason: one.reason,
      physical_resource_id: one.resource === stack.name ? stack.id : '',
      links: [
        { href: `${home}/resources/${one.resource}/events/${one.id}`, rel: 'self' },
        { href: `${home}/resources/${one.resource}`, rel: 'resource' },
        { href: home, rel: 'stack' },
      ],
    };
  }

  /** The rest of the path and the query go along. */
  function redirect(asked: Asked, stack: FakeStack, rest: string[]): Answer {
    const query = asked.query.size > 0 ? `?${asked.query}` : '';
    const location = [linkOf(asked, stack), ...rest].join('/') + query;
    return { status: 302, headers: { location }, body: { code: '302 Found', title: 'Found', message: location } };
  }
}

function gone(name: string): Answer {
  return heatError(404, 'EntityNotFound', `The Stack (${name}) could not be found.`);
}

function linkOf(asked: Asked, stack: FakeStack): string {
  return `${asked.base}/stacks/${stack.name}/${stack.id}`;
}

/** Parameters come by themselves or in the environment. */
function parametersOf(body: Json): Json {
  const environment = typeof body.environment === 'string' ? {} : object(body.environment);
  return { ...object(environment.parameters), ...object(body.parameters) };
}

function tagsOf(body: Json): string[] | null {
  if (body.tags === undefined || body.tags === null) return null;
  const tags = String(body.tags).split(',');
  const long = tags.find((tag) => tag.length > 80);
  if (long) throw new HeatRefusal(400, 'HTTPBadRequest', `Invalid tag, "${long}" is longer than 80 characters`);
  return tags;
}

/** Heat shows every value as Python's text for it. */
function asText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}
