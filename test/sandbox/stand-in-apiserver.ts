import { readFileSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrapSeeds } from '../../src/sandbox/cloud-seed.ts';
import { SandboxDatabase } from '../../src/sandbox/database.ts';
import { Exchange } from '../../src/sandbox/exchange.ts';
import { KubeApi } from '../../src/sandbox/kube-api.ts';
import { Kinds } from '../../src/sandbox/kube-kinds.ts';
import { Objects } from '../../src/sandbox/kube-objects.ts';
import { resourceOf } from '../../src/sandbox/kube-registry.ts';
import { ObjectStore } from '../../src/sandbox/kube-store.ts';

// Stands in for kube-apiserver: takes the flags that it documents and no other, asks its etcd, reads its keys and its
// tokens, and serves a Kubernetes API on its port.
const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    'etcd-servers': text,
    'bind-address': text,
    'secure-port': text,
    'advertise-address': text,
    'endpoint-reconciler-type': text,
    'cert-dir': text,
    'tls-cert-file': text,
    'tls-private-key-file': text,
    'client-ca-file': text,
    'token-auth-file': text,
    'authorization-mode': text,
    'allow-privileged': text,
    'service-account-key-file': text,
    'service-account-signing-key-file': text,
    'service-account-issuer': text,
    'service-cluster-ip-range': text,
    profiling: text,
  },
});
const need = (name: keyof typeof values): string => {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
};
const directory = need('cert-dir');
if (process.env.STAND_IN_FAULT === 'apiserver') {
  console.error('Error: invalid argument "x" for "--service-cluster-ip-range" flag');
  process.exit(1);
}
if (need('advertise-address').startsWith('127.')) throw new Error('an API server does not advertise loopback');
if (!readFileSync(need('service-account-signing-key-file'), 'utf8').includes('PRIVATE KEY')) throw new Error('no key');
if (!readFileSync(need('service-account-key-file'), 'utf8').includes('PUBLIC KEY')) throw new Error('no public key');
const health = await fetch(`${need('etcd-servers')}/health`);
if (!health.ok) throw new Error('etcd does not answer');
const [adminToken = '', user = '', , group = ''] = readFileSync(need('token-auth-file'), 'utf8').trim().split(',');
if (user === '' || group !== '"system:masters"') throw new Error('nobody may do everything');
writeFileSync(join(directory, 'apiserver.pid'), String(process.pid));

const store = new ObjectStore(new SandboxDatabase(join(directory, 'stand-in.db')), 'stand-in');
if (store.empty) {
  const objects = new Objects(store, Kinds.of(store));
  for (const { resource, namespace, body } of bootstrapSeeds()) {
    objects.create(resourceOf(resource), namespace, body, { dryRun: false, manager: 'stand-in' });
  }
}
const port = need('secure-port');
const api = new KubeApi({
  store,
  adminToken,
  controllerToken: `${adminToken}-unused`,
  tokenKey: 'stand-in',
  version: () => '1.34.9',
  address: () => `127.0.0.1:${port}`,
});
const server = createSecureServer({
  cert: readFileSync(need('tls-cert-file')),
  key: readFileSync(need('tls-private-key-file')),
  allowHTTP1: true,
});
server.on('request', (request, response) => {
  const exchange = new Exchange(request, response);
  void api.handle(exchange, exchange.path);
});
server.listen(Number(port), need('bind-address'));
process.on('SIGTERM', () => process.exit(0));
