import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

// Stands in for etcd: takes the flags that etcd documents and no other, and is healthy where it is told to listen.
const { values } = parseArgs({
  options: {
    name: { type: 'string' },
    'data-dir': { type: 'string' },
    'unsafe-no-fsync': { type: 'boolean' },
    'log-level': { type: 'string' },
    'listen-client-urls': { type: 'string' },
    'advertise-client-urls': { type: 'string' },
    'listen-peer-urls': { type: 'string' },
    'initial-advertise-peer-urls': { type: 'string' },
    'initial-cluster': { type: 'string' },
  },
});
const client = new URL(values['listen-client-urls'] ?? '');
const peer = values['listen-peer-urls'] ?? '';
if (values['advertise-client-urls'] !== client.origin) throw new Error('clients are told another address');
if (values['initial-cluster'] !== `${values.name}=${peer}`) throw new Error('the member is not in its own cluster');
if (client.hostname !== '127.0.0.1' || new URL(peer).hostname !== '127.0.0.1') throw new Error('not on loopback');
writeFileSync(join(values['data-dir'] ?? '', '..', 'etcd.pid'), String(process.pid));
const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  if (request.url === '/health') response.end('{"health":"true"}');
  else response.writeHead(404).end();
});
server.listen(Number(client.port), client.hostname);
process.on('SIGTERM', () => process.exit(0));
