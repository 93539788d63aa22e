/** Services and Ingresses that make ports reachable. */
import type { Publish } from '../../core/apps.ts';
import { Fault } from '../../core/errors.ts';
import { manifestOf } from './bundle.ts';
import type { JsonObject, Manifest } from './manifests.ts';

/** A port as people write it: `8080`, `80:8080` (of the Service and of the container), `53/udp`. */
export interface Port {
  port: number;
  target: number;
  protocol: 'TCP' | 'UDP';
}

/** Reads a port; throws `bad-input` for what is none. */
export function readPort(text: string): Port {
  const [, first = '', second, protocol = 'tcp'] =
    /^(\d{1,5})(?::(\d{1,5}))?(?:\/(tcp|udp))?$/i.exec(text.trim()) ?? [];
  const port = Number(first);
  const target = second === undefined ? port : Number(second);
  if ([port, target].some((each) => !Number.isInteger(each) || each < 1 || each > 65_535)) {
    throw new Fault('bad-input', `${text.trim().slice(0, 40)} is no port.`, {
      field: 'ports',
      next: 'Write 8080, 80:8080 or 53/udp, several with commas.',
    });
  }
  return { port, target, protocol: protocol.toLowerCase() === 'udp' ? 'UDP' : 'TCP' };
}

const types: Record<Exclude<Publish, 'no'>, string> = {
  cluster: 'ClusterIP',
  nodes: 'NodePort',
  internal: 'LoadBalancer',
  loadbalancer: 'LoadBalancer',
};

/**
 * What makes a load balancer one of the cloud's own network, at each cloud that knows it; the others pass it over: Google
 * (cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters), Azure (cloud-provider-azure.sigs.k8s.io/topics/loadbalancer),
 * OpenStack (cloud-provider-openstack, expose-applications-using-loadbalancer-type-service) and AWS (AWS Load Balancer Controller, service annotations).
 */
export const internalAnnotations: Readonly<Record<string, string>> = {
  'networking.gke.io/load-balancer-type': 'Internal',
  'service.beta.kubernetes.io/azure-load-balancer-internal': 'true',
  'service.beta.kubernetes.io/openstack-internal-load-balancer': 'true',
  'service.beta.kubernetes.io/aws-load-balancer-scheme': 'internal',
};

export interface Published {
  name: string;
  namespace?: string | undefined;
  /** Of the pods. */
  labels: JsonObject;
  ports: readonly string[];
  publish: Exclude<Publish, 'no'>;
  host?: string;
}

/** The Service, and with a host name the Ingress, that make an app reachable. */
export function publishObjects({ name, namespace, labels, ports, publish, host }: Published): Manifest[] {
  const read = ports.map(readPort);
  const where = namespace === undefined ? {} : { namespace };
  const service = manifestOf({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, ...where, ...(publish === 'internal' ? { annotations: internalAnnotations } : {}) },
    spec: {
      type: types[publish],
      selector: labels,
      ports: read.map(({ port, target, protocol }) => ({
        name: `${protocol.toLowerCase()}-${port}`,
        port,
        targetPort: target,
        protocol,
      })),
    },
  });
  if (host === undefined) return [service];
  const [first] = read;
  const backend = { service: { name, port: { number: first?.port ?? 80 } } };
  const ingress = manifestOf({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, ...where },
    spec: { rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
  });
  return [service, ingress];
}
