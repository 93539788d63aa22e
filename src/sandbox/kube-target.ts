import { decoded } from './exchange.ts';
import type { Kinds } from './kube-kinds.ts';
import type { Resource } from './kube-registry.ts';
import { methodNotAllowed } from './kube-status.ts';

/** What a path means. */
export type Target = { resource: Resource; namespace: string; name: string; subresource: string };

/** Resource paths: /api/v1/… and /apis/<group>/<version>/…; undefined when the path has no such form. */
export function targetOf(kinds: Kinds, path: string): Target | undefined {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
  const root = parts.shift();
  const group = root === 'api' ? '' : parts.shift();
  const version = parts.shift();
  if ((root !== 'api' && root !== 'apis') || group === undefined || version === undefined) return undefined;
  let namespace = '';
  if (
    parts[0] === 'namespaces' &&
    parts.length >= 3 &&
    !(group === '' && ['status', 'finalize'].includes(parts[2] ?? ''))
  ) {
    namespace = parts[1] ?? '';
    parts.splice(0, 2);
  }
  const [plural = '', name = '', subresource = '', more] = parts;
  const resource = kinds.find(group, version, plural);
  if (resource === undefined || more !== undefined) return undefined;
  if (!resource.namespaced && namespace !== '') return undefined;
  return { resource, namespace, name, subresource };
}

/** The verb of a request, as access rules name it; throws a 405. */
export function verbOf(method: string, target: Target, watching: boolean): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return target.name !== '' ? 'get' : watching ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return target.name === '' ? 'deletecollection' : 'delete';
    default:
      throw methodNotAllowed();
  }
}
