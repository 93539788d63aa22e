/** Lists of kinds that no typed API is opened for, page by page. */
import { isObject, type JsonObject, listAt, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';

export { metadataOnly } from '../client.ts';

/** Gives every object of a list to `each`, keeping none. `path` has no query yet. */
export async function eachListed(
  talk: Talk,
  path: string,
  each: (object: JsonObject) => void,
  accept?: string,
): Promise<void> {
  let token = '';
  // A server that hands out tokens for ever is cut off at 200,000 objects.
  for (let page = 0; page < 400; page += 1) {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const answer = await talk.raw({
      method: 'GET',
      path: `${path}?limit=500${more}`,
      ...(accept === undefined ? {} : { accept }),
    });
    for (const item of listAt(answer, 'items').filter(isObject)) each(item);
    token = String(objectAt(answer, 'metadata').continue ?? '');
    if (token === '') return;
  }
}

/** The path of a list: of one namespace, or with '' of all. `group` is such as `apps/v1`, or `v1` for the core. */
export function listPath(group: string, plural: string, namespace: string): string {
  const root = group.includes('/') ? `/apis/${group}` : `/api/${group}`;
  return namespace === '' ? `${root}/${plural}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}
