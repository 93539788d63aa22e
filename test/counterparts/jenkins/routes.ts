/** The web methods of Jenkins that its clients use, by stapler's routes. */
import type { IncomingHttpHeaders } from 'node:http';
import { type Access, type Caller, cookieName, crumbField, holds } from './access.ts';
import { errorPage, oopsPage } from './pages.ts';
import type { Renderer } from './render.ts';
import { prune } from './tree.ts';
import type { Build, Job, World } from './world.ts';

export interface Asked {
  method: string;
  /** Below the context path, without the query. */
  path: string;
  query: URLSearchParams;
  form: URLSearchParams;
  headers: IncomingHttpHeaders;
}

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

export interface RouteOptions {
  world: World;
  access: Access;
  render: Renderer;
  contextPath: string;
  /** What Jenkins believes to be its own address. */
  root: () => string;
  version: string;
  /** Where artifacts are served without credentials (the resource root URL); absent: by Jenkins itself. */
  resourceRoot?: () => string | null;
  /** Whether also answers carry `X-Jenkins` that are neither pages of Jenkins nor of its API. */
  headersEverywhere: () => boolean;
  /** Whether the plugin pipeline-rest-api is there. */
  stages: () => boolean;
}

const buildPermission = 'hudson.model.Item.Build';
const cancelPermission = 'hudson.model.Item.Cancel';

/** Answers requests as Jenkins does. */
export function makeRoutes(options: RouteOptions): (asked: Asked) => Answer {
  const { world, access, render } = options;

  function page(status: number, title: string, text: string, headers: Record<string, string> = {}): Answer {
    return {
      status,
      headers: { 'content-type': 'text/html;charset=utf-8', ...headers },
      body: errorPage(status, title, text),
    };
  }

  const notFound = () => page(404, 'Not Found', 'The requested resource was not found.');

  /** hudson.security.AccessDeniedException3: the headers say who was refused what. */
  function denied(caller: Caller, permission: string): Answer {
    return page(403, 'Access Denied', `${caller.user?.id ?? 'anonymous'} is missing the ${permission} permission`, {
      'x-you-are-authenticated-as': caller.user?.id ?? 'anonymous',
      'x-required-permission': permission,
      'x-permission-implied-by': 'hudson.model.Hudson.Administer',
    });
  }

  function api(asked: Asked, value: Record<string, unknown>): Answer {
    const tree = asked.query.get('tree');
    try {
      const { allBuilds: _all, ...plain } = value;
      const body = JSON.stringify(tree ? prune(value, tree) : plain);
      return { status: 200, headers: { 'content-type': 'application/json;charset=utf-8' }, body };
    } catch (error) {
      return page(400, 'Bad Request', String(error));
    }
  }

  function visible(job: Job | undefined, caller: Caller): job is Job {
    if (!job) return false;
    return holds(caller.user, 'hudson.model.Item.Read') && !caller.user?.hidden?.has(job.fullName);
  }

  function handle(asked: Asked): Answer {
    world.settle();
    const caller = access.identify(asked.headers);
    if (!caller) {
      return page(401, 'Unauthorized', 'Invalid password/token for user', {
        'www-authenticate': 'Basic realm="Jenkins"',
      });
    }
    const { path, method } = asked;
    if (path === '/whoAmI/api/json') return whoAmI(asked, caller);
    if (path === '/crumbIssuer/api/json') return crumb(asked, caller);
    if (!holds(caller.user, 'hudson.model.Hudson.Read')) return denied(caller, 'hudson.model.Hudson.Read');
    if (method === 'POST' && !access.hasCrumb(caller, asked.headers)) {
      return page(403, 'Forbidden', 'No valid crumb was included in the request');
    }
    if (path === '/' || path === '') {
      const headers = { 'content-type': 'text/html', 'x-jenkins': options.version };
      return { status: 200, headers, body: '<html></html>' };
    }
    if (path === '/api/json') return api(asked, render.root());
    if (path === '/me/api/json') {
      const id = caller.user?.id ?? 'anonymous';
      return api(asked, { _class: 'hudson.model.User', absoluteUrl: `${options.root()}/user/${id}`, fullName: id, id });
    }
    if (path.startsWith('/queue/')) return queue(asked, caller);
    if (path.startsWith('/job/')) return job(asked, caller);
    return notFound();
  }

  /** jenkins.security.WhoAmI */
  function whoAmI(asked: Asked, caller: Caller): Answer {
    return api(asked, {
      _class: 'hudson.security.WhoAmI',
      anonymous: caller.user === null,
      authenticated: true,
      authorities: caller.user ? ['authenticated'] : ['anonymous'],
      name: caller.user?.id ?? 'anonymous',
    });
  }

  function crumb(asked: Asked, caller: Caller): Answer {
    if (!access.crumbs) return notFound();
    const { session, crumb: value } = access.issue(caller);
    const made = api(asked, {
      _class: 'hudson.security.csrf.DefaultCrumbIssuer',
      crumb: value,
      crumbRequestField: crumbField,
    });
    const cookie = `${cookieName}=${session}; Path=${options.contextPath || '/'}; HttpOnly`;
    return { ...made, headers: { ...made.headers, 'set-cookie': cookie } };
  }

  function queue(asked: Asked, caller: Caller): Answer {
    if (asked.path === '/queue/api/json') {
      const waiting = world.items.filter((item) => item.leftAt === undefined && visible(item.job, caller));
      return api(asked, render.queue(waiting));
    }
    if (asked.path === '/queue/cancelItem') {
      if (asked.method !== 'POST') return postOnly();
      const item = world.item(Number(asked.query.get('id') ?? asked.form.get('id')));
      if (!item || !visible(item.job, caller)) return notFound();
      if (!holds(caller.user, cancelPermission)) return { status: 422 };
      return { status: world.cancel(item) ? 204 : 422 };
    }
    const id = /^\/queue\/item\/(\d+)\/api\/json$/.exec(asked.path)?.[1];
    const item = id === undefined ? undefined : world.item(Number(id));
    return item && visible(item.job, caller) ? api(asked, render.item(item)) : notFound();
  }

  function postOnly(): Answer {
    return page(405, 'Method Not Allowed', 'This URL requires POST', { allow: 'POST' });
  }

  function job(asked: Asked, caller: Caller): Answer {
    const parts = asked.path.split('/').slice(1);
    const names: string[] = [];
    while (parts[0] === 'job' && parts[1] !== undefined) {
      names.push(decodeURIComponent(parts[1]));
      parts.splice(0, 2);
    }
    const found = world.jobs.get(names.join('/'));
    if (!visible(found, caller)) return notFound();
    const rest = parts.join('/');
    if (rest === 'api/json') return api(asked, render.job(found));
    if (rest === 'buildWithParameters' || rest === 'build') return schedule(asked, caller, found, rest);
    const build = buildIn(found, parts[0] ?? '');
    if (!build) return notFound();
    return buildPage(asked, caller, build, parts.slice(1));
  }

  function buildIn(found: Job, which: string): Build | undefined {
    if (which === 'lastBuild') return found.builds[0];
    if (which === 'lastSuccessfulBuild') return found.builds.find(({ result }) => result === 'SUCCESS');
    return found.builds.find(({ number }) => String(number) === which);
  }

  /** jenkins.model.ParameterizedJobMixIn.doBuildWithParameters */
  function schedule(asked: Asked, caller: Caller, found: Job, method: string): Answer {
    if (asked.method !== 'POST') return postOnly();
    if (!holds(caller.user, buildPermission)) return denied(caller, buildPermission);
    if (found.disabled) return page(409, 'Conflict', `${found.fullName} is not buildable`);
    const { definitions } = found;
    if (method === 'buildWithParameters' && !definitions) {
      return page(400, 'Bad Request', `${found.fullName} is not parameterized`);
    }
    const values: Record<string, string> = {};
    for (const each of definitions ?? []) {
      // Parameters come in the query or in the form; those that nobody declared are ignored, missing ones get their default.
      const given = [...asked.query.getAll(each.name), ...asked.form.getAll(each.name)];
      if (given.length > 1)
        return { ...page(500, 'Oops!', ''), body: oopsPage(`Illegal number of parameter values for ${each.name}`) };
      const preset = each.default ?? each.choices?.[0] ?? (each.type === 'BooleanParameterDefinition' ? false : '');
      const value = given[0] ?? String(preset);
      if (each.choices && !each.choices.includes(value)) {
        return { ...page(500, 'Oops!', ''), body: oopsPage(`Illegal choice for parameter ${each.name}: ${value}`) };
      }
      values[each.name] = value;
    }
    const delay = /^(\d+)(?:sec)?$/.exec(asked.query.get('delay') ?? '')?.[1];
    const { item, created } = world.schedule(found, values, caller.user?.id ?? 'anonymous', Number(delay ?? 5) * 1_000);
    return { status: created ? 201 : 303, headers: { location: `${options.root()}/queue/item/${item.id}/` } };
  }

  function buildPage(asked: Asked, caller: Caller, build: Build, parts: string[]): Answer {
    const [first, ...others] = parts;
    const rest = parts.join('/');
    if (rest === 'api/json') return api(asked, render.build(build));
    if (rest === 'consoleText') return text(world.console(build));
    if (rest === 'logText/progressiveText') return progressive(asked, build);
    if (rest === 'wfapi/describe') {
      if (!options.stages() || !build.job.pipeline) return notFound();
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(render.stages(build)),
      };
    }
    if (rest === 'stop') {
      if (asked.method !== 'POST') return postOnly();
      if (!holds(caller.user, cancelPermission)) return denied(caller, cancelPermission);
      world.stop(build);
      return { status: 302, headers: { location: `${options.root()}/` } };
    }
    if (first === 'artifact') return artifact(build, others.map(decodeURIComponent).join('/'));
    return notFound();
  }

  /** org.kohsuke.stapler.framework.io.LargeText.doProgressText */
  function progressive(asked: Asked, build: Build): Answer {
    const log = Buffer.from(world.console(build), 'utf8');
    const wanted = Number(asked.query.get('start') ?? 0);
    const start = wanted > log.length ? 0 : wanted;
    const running = build.result === undefined;
    let end = log.length;
    if (running) {
      // A running build's log comes in at most 10,000 whole lines.
      let lines = 0;
      for (let at = start; at < log.length; at += 1) {
        if (log[at] !== 10) continue;
        lines += 1;
        end = at + 1;
        if (lines === 10_000) break;
      }
    }
    const made = text(log.subarray(start, end).toString('utf8'));
    return {
      ...made,
      headers: { ...made.headers, 'x-text-size': String(end), ...(running ? { 'x-more-data': 'true' } : {}) },
    };
  }

  function artifact(build: Build, path: string): Answer {
    const content = build.result === 'SUCCESS' ? build.course.artifacts?.[path] : undefined;
    if (content === undefined) return notFound();
    const elsewhere = options.resourceRoot?.();
    // jenkins.security.ResourceDomainRootAction: the address on the other domain holds the right to read it.
    if (elsewhere) {
      const location = `${elsewhere}/static-files/${build.number}-${encodeURIComponent(path)}?job=${encodeURIComponent(build.job.fullName)}`;
      return { status: 302, headers: { location } };
    }
    return { ...text(content), headers: { 'content-type': 'application/octet-stream' } };
  }

  function text(body: string): Answer {
    return { status: 200, headers: { 'content-type': 'text/plain;charset=utf-8' }, body };
  }

  return (asked) => {
    const answer = handle(asked);
    // hudson.model.Api and the layout of the pages set the headers; filters, redirects and the servlet container's own 404 do not.
    const type = answer.headers?.['content-type'] ?? '';
    const page = type.includes('json') || answer.headers?.['x-required-permission'] !== undefined;
    const everywhere = options.headersEverywhere() && answer.status !== 401;
    if (!page && !everywhere) return answer;
    return { ...answer, headers: { 'x-jenkins': options.version, 'x-hudson': '1.395', ...answer.headers } };
  };
}
