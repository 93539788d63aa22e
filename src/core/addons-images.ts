/** Names of images: reading them, and writing them for a mirror. */

/** An image's name in its parts; what is left out in writing is filled in as container runtimes do. */
export interface ImageName {
  /** `docker.io`, `registry.example:5000`. */
  registry: string;
  /** `library/nginx`. */
  path: string;
  tag?: string;
  /** `sha256:…` */
  digest?: string;
}

/** Images whose name begins with `from` are taken from `to` instead; both `registry` or `registry/path`. */
export interface Mirror {
  from: string;
  to: string;
}

const host = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::\d{1,5})?$/;
const part = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/**
 * Reads an image's name by the grammar of container registries (https://github.com/distribution/reference); null for what is none. The first part
 * is a registry when it has a dot or a colon or is `localhost`; without one it is Docker Hub, whose own images are below `library`.
 */
export function readImage(text: string): ImageName | null {
  const [, bare = '', digest] =
    /^([^@\s]{1,400})(?:@([a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,128}))?$/.exec(text) ?? [];
  const slash = bare.indexOf('/');
  const first = slash < 0 ? '' : bare.slice(0, slash);
  const named = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const rest = named ? bare.slice(slash + 1) : bare;
  const [, path = '', tag] = /^([^:]*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?$/.exec(rest) ?? [];
  if (!path.split('/').every((each) => part.test(each))) return null;
  const given = named ? first.toLowerCase() : 'docker.io';
  if (!host.test(given)) return null;
  const registry = given === 'index.docker.io' || given === 'registry-1.docker.io' ? 'docker.io' : given;
  return {
    registry,
    path: registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The name of an image through mirrors; the same text when no rule is for it, or it is at one of them already. */
export function mirroredImage(text: string, mirrors: readonly Mirror[]): string {
  const image = readImage(text);
  if (!image) return text;
  const name = `${image.registry}/${image.path}`;
  const within = (prefix: string) => name.startsWith(`${prefix}/`) || name === prefix;
  if (mirrors.some(({ to }) => within(to))) return text;
  const [rule] = mirrors.filter(({ from }) => within(from)).sort((a, b) => b.from.length - a.from.length);
  if (!rule) return text;
  const tag = image.tag === undefined ? '' : `:${image.tag}`;
  const digest = image.digest === undefined ? '' : `@${image.digest}`;
  return `${rule.to}${name.slice(rule.from.length)}${tag}${digest}`;
}

/** Most rules of a mirror. */
const mostMirrors = 20;

/** A registry's address with or without a path, as a rule has it; null for what is none. */
export function readPlace(text: string): string | null {
  const [registry = '', ...path] = text.trim().replace(/\/+$/, '').split('/');
  const given = registry.toLowerCase();
  if (!host.test(given) || !(given === 'localhost' || /[.:]/.test(given))) return null;
  if (!path.every((each) => part.test(each))) return null;
  return [given === 'index.docker.io' ? 'docker.io' : given, ...path].join('/');
}

/** Rules as people write them: `docker.io=mirror.example/dockerhub`, with commas or one a line. Says what is wrong with the first that is none. */
export function readMirrors(text: string): { mirrors: Mirror[] } | { problem: string } {
  const mirrors = new Map<string, Mirror>();
  for (const piece of text.split(/[,\n]/).map((each) => each.trim())) {
    if (piece === '') continue;
    const [left = '', right, more] = piece.split('=');
    if (/^[a-z]+:\/\//i.test(left) || /^\s*[a-z]+:\/\//i.test(right ?? ''))
      return { problem: `Write ${piece.slice(0, 80)} without http:// or https://.` };
    if (right === undefined || more !== undefined)
      return { problem: `Write ${piece.slice(0, 80)} as registry=mirror, such as docker.io=mirror.example/dockerhub.` };
    const [from, to] = [readPlace(left), readPlace(right)];
    if (from === null) return { problem: `${left.trim().slice(0, 80) || 'Nothing'} is no address of a registry.` };
    if (to === null) return { problem: `${right.trim().slice(0, 80) || 'Nothing'} is no address of a registry.` };
    if (mirrors.has(from)) return { problem: `${from} has two mirrors; keep one of them.` };
    mirrors.set(from, { from, to });
  }
  if (mirrors.size > mostMirrors) return { problem: `Use at most ${mostMirrors} rules.` };
  return { mirrors: [...mirrors.values()] };
}

/** Rules as a line of text. */
export function mirrorsText(mirrors: readonly Mirror[]): string {
  return mirrors.map(({ from, to }) => `${from}=${to}`).join(',');
}
