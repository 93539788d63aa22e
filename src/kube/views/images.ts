import { formatBytes } from '../../core/units.ts';
import { eachObject } from '../client.ts';
import type { View } from '../operation.ts';
import { demandNamespace, listed } from './listing.ts';
import { eachPod } from './pods.ts';

/** How people and nodes write an image alike: Docker's own registry is left out of both. */
function short(image: string): string {
  return image.replace(/^docker\.io\/(library\/)?/, '');
}

/** The images that pods of a cluster are made of: how many pods, where, and how large by the nodes' word. */
export const imagesView: View = {
  name: 'images',
  async look(talk, args) {
    const { namespace = '' } = args;
    await demandNamespace(talk, namespace);
    const images = new Map<string, { pods: number; namespaces: Set<string> }>();
    await eachPod(talk, namespace, ({ metadata, spec }) => {
      const own = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ image }) => short(image ?? ''));
      for (const image of new Set(own)) {
        const row = images.get(image) ?? { pods: 0, namespaces: new Set() };
        row.pods += 1;
        row.namespaces.add(metadata?.namespace ?? '');
        images.set(image, row);
      }
    });
    const sizes = new Map<string, number>();
    await eachObject(
      (page) => talk.client.core.listNode(page),
      ({ status }) => {
        for (const { names, sizeBytes } of status?.images ?? [])
          for (const name of names ?? []) if (images.has(short(name)) && sizeBytes) sizes.set(short(name), sizeBytes);
      },
    );
    const rows = [...images]
      .sort(([a, left], [b, right]) => right.pods - left.pods || (a < b ? -1 : 1))
      .map(([image, { pods, namespaces }]) => {
        const size = sizes.get(image);
        return [image, String(pods), [...namespaces].sort().join(', '), size === undefined ? '' : formatBytes(size)];
      });
    return listed(args, { view: 'images', one: 'image', columns: ['Image', 'Pods', 'Namespaces', 'Size'], rows });
  },
};
