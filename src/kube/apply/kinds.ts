/** Where the objects of a kind are in a cluster's API, by what the cluster itself says. */
import { z } from 'zod';
import { Fault } from '../../core/errors.ts';
import type { Talk } from '../operation.ts';
import { called, groupOf, isObject, listAt, type Manifest, objectAt } from './manifests.ts';

/** A kind as a cluster serves it. */
export interface Place {
  /** `/apis/apps/v1`. */
  base: string;
  plural: string;
  namespaced: boolean;
  /** Its definition is among the objects and not there yet. */
  coming: boolean;
}

const List = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

export interface Kinds {
  /** Undefined for a kind that the cluster does not know, nor any definition among the manifests. */
  find(manifest: Pick<Manifest, 'apiVersion' | 'kind'>): Promise<Place | undefined>;
}

/** What a cluster serves, each group asked for once; kinds that the manifests themselves define count as coming. */
export function openKinds(talk: Talk, manifests: readonly Manifest[]): Kinds {
  const groups = new Map<string, Promise<z.infer<typeof List>['resources']>>();
  const read = (apiVersion: string) => {
    const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const asked =
      groups.get(apiVersion) ??
      talk.raw({ method: 'GET', path: base }).then(
        (answer) => List.parse(answer).resources,
        (thrown: unknown) => {
          if (thrown instanceof Fault && thrown.kind === 'not-found') return [];
          throw thrown;
        },
      );
    groups.set(apiVersion, asked);
    return asked;
  };
  return {
    async find({ apiVersion, kind }) {
      const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const served = (await read(apiVersion)).find((each) => each.kind === kind && !each.name.includes('/'));
      if (served) return { base, plural: served.name, namespaced: served.namespaced, coming: false };
      const definition = manifests.find(
        (each) =>
          each.kind === 'CustomResourceDefinition' &&
          objectAt(each.object, 'spec', 'names').kind === kind &&
          objectAt(each.object, 'spec').group === groupOf(apiVersion) &&
          listAt(each.object, 'spec', 'versions').some(
            (version) => isObject(version) && `${groupOf(apiVersion)}/${version.name}` === apiVersion,
          ),
      );
      if (!definition) return undefined;
      const spec = objectAt(definition.object, 'spec');
      return {
        base,
        plural: String(objectAt(spec, 'names').plural),
        namespaced: spec.scope === 'Namespaced',
        coming: true,
      };
    },
  };
}

/** The Fault for a kind that is nowhere. */
export function unknownKind(manifest: Manifest): Fault {
  return new Fault(
    'bad-input',
    `The cluster does not know the kind ${manifest.kind} of ${manifest.apiVersion}, which ${called(manifest)} is of.`,
    {
      field: 'manifest',
      next: 'Add its CustomResourceDefinition to the manifests, install what brings it, or write the version that this cluster serves.',
    },
  );
}

/** The path of one object; the parts are percent-encoded. */
export function pathOf(place: Place, { name, namespace }: Pick<Manifest, 'name' | 'namespace'>): string {
  const within = place.namespaced ? `/namespaces/${encodeURIComponent(namespace ?? 'default')}` : '';
  return `${place.base}${within}/${place.plural}/${encodeURIComponent(name)}`;
}
