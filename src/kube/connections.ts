import { createHash } from 'node:crypto';
import { type KubeConnection, readKubeconfig } from './kubeconfig.ts';

/** A kubeconfig as it was read; `key` is the same for the same text, and shows nothing of it. */
export interface Known {
  key: string;
  connection: KubeConnection;
}

/** Reads kubeconfigs, and remembers the `size` used last: reading one takes longer than a request. Throws what reading throws, each time. */
export function openConnections(size: number): (kubeconfig: string) => Known {
  const known = new Map<string, KubeConnection>();
  return (kubeconfig) => {
    const key = createHash('sha256').update(kubeconfig).digest('base64');
    const connection = known.get(key) ?? readKubeconfig(kubeconfig);
    known.delete(key);
    known.set(key, connection);
    const [oldest] = known.keys();
    if (known.size > size && oldest !== undefined) known.delete(oldest);
    return { key, connection };
  };
}
