/** Images of what is deployed, through the mirrors of a cluster. */
import { type Mirror, mirroredImage } from '../../core/addons-images.ts';
import { isObject, type JsonObject, listAt, type Manifest, objectAt } from '../apply/manifests.ts';
import { containersOf, podSpecOf } from '../apply/privileged.ts';

/** One image that is taken from elsewhere. */
export interface Rewritten {
  from: string;
  to: string;
}

/** Arguments that name an image, such as `--acme-http01-solver-image=quay.io/…`: programs start pods of their own with it. */
const imageArgument = /^(--[\w-]*image)=(\S+)$/;

/**
 * Manifests whose images are taken through mirrors, and whose own ServiceAccounts pull with a Secret. What a custom resource says in fields of its own
 * is not known to name an image, and stays.
 */
export function throughMirrors(
  manifests: readonly Manifest[],
  mirrors: readonly Mirror[],
  pullSecret: string | undefined,
): { manifests: Manifest[]; images: Rewritten[] } {
  const images = new Map<string, string>();
  const change = (text: string) => {
    const to = mirroredImage(text, mirrors);
    if (to !== text) images.set(text, to);
    return to;
  };
  const done = manifests.map((manifest) => {
    if (manifest.kind === 'ServiceAccount' && pullSecret !== undefined) return withPullSecret(manifest, pullSecret);
    if (mirrors.length === 0 || !podSpecOf(manifest)) return manifest;
    const copy: Manifest = { ...manifest, object: structuredClone(manifest.object) };
    for (const container of containersOf(podSpecOf(copy) ?? {})) {
      if (typeof container.image === 'string') container.image = change(container.image);
      for (const list of ['args', 'command']) {
        if (Array.isArray(container[list]))
          container[list] = listAt(container, list).map((each) => argument(each, change));
      }
    }
    return copy;
  });
  return { manifests: done, images: [...images].map(([from, to]) => ({ from, to })) };
}

function argument(given: unknown, change: (text: string) => string): unknown {
  const [, flag, image] = (typeof given === 'string' ? imageArgument.exec(given) : null) ?? [];
  return flag === undefined || image === undefined ? given : `${flag}=${change(image)}`;
}

/** A ServiceAccount that pulls with a Secret beside those it has. */
export function withPullSecret(manifest: Manifest, name: string): Manifest {
  const there: JsonObject[] = listAt(manifest.object, 'imagePullSecrets').filter(isObject);
  if (there.some((each) => each.name === name)) return manifest;
  return { ...manifest, object: { ...manifest.object, imagePullSecrets: [...there, { name }] } };
}

/** The default ServiceAccount of a namespace pulls with a Secret of that name. */
export function pullsWith(account: JsonObject | undefined, name: string): boolean {
  return listAt(account, 'imagePullSecrets').some((each) => objectAt(each).name === name);
}
