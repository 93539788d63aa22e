import type { V1Service } from '@kubernetes/client-node';
import { eachObject } from '../client.ts';
import type { Talk, View } from '../operation.ts';
import { ageOf, demandNamespace, inOrder, listed } from './listing.ts';

/** Gives every Service of a namespace, or with '' of all, to `each`. */
export function eachService({ client }: Talk, namespace: string, each: (service: V1Service) => void): Promise<void> {
  return eachObject(
    (page) =>
      namespace === ''
        ? client.core.listServiceForAllNamespaces(page)
        : client.core.listNamespacedService({ ...page, namespace }),
    each,
  );
}

/** The addresses by which a Service is reached from outside: those of its load balancer, and its external ones. */
export function outsideOf(service: V1Service): string[] {
  const given = service.status?.loadBalancer?.ingress?.map(({ hostname, ip }) => hostname ?? ip ?? '') ?? [];
  return [...new Set([...given, ...(service.spec?.externalIPs ?? [])])].filter((each) => each !== '');
}

/** The Services of a cluster. */
export const servicesView: View = {
  name: 'services',
  async look(talk, args) {
    const { namespace = '' } = args;
    await demandNamespace(talk, namespace);
    const rows: string[][] = [];
    await eachService(talk, namespace, (service) => {
      const { spec, metadata } = service;
      const type = spec?.type ?? 'ClusterIP';
      const outside = type === 'ExternalName' ? [spec?.externalName ?? ''] : outsideOf(service);
      const ports = spec?.ports?.map(({ port, nodePort, protocol = 'TCP' }) =>
        [port, nodePort ? `:${nodePort}` : '', protocol === 'TCP' ? '' : `/${protocol}`].join(''),
      );
      rows.push([
        metadata?.namespace ?? '',
        metadata?.name ?? '',
        type,
        spec?.clusterIP ?? '',
        outside.length > 0 ? outside.join(', ') : type === 'LoadBalancer' ? 'awaited' : '',
        ports?.join(', ') ?? '',
        ageOf(talk.now(), metadata?.creationTimestamp),
      ]);
    });
    return listed(args, {
      ...{ view: 'services', one: 'service', rows: rows.sort(inOrder) },
      columns: ['Namespace', 'Service', 'Type', 'Inside', 'Outside', 'Ports', 'Age'],
    });
  },
};
