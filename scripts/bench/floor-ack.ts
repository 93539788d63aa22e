/** The floor of an acknowledgement, as a process of its own: Bolt, one transaction on etcd, the answer. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { App, HTTPReceiver } from '@slack/bolt';
import { Etcd3 } from 'etcd3';

const { FLOOR_ETCD = '', FLOOR_SECRET = '' } = process.env;
const etcd = new Etcd3({ hosts: FLOOR_ETCD });
const receiver = new HTTPReceiver({ signingSecret: FLOOR_SECRET, endpoints: ['/slack/events'] });
const app = new App({ receiver, authorize: async () => ({ botToken: 'xoxb-floor' }) });
let count = 0;
app.command('/kqueen', async ({ ack, body }) => {
  count += 1;
  const done = await etcd
    .if(`/floor/${process.pid}/${count}`, 'Create', '==', 0)
    .then(etcd.put(`/floor/${process.pid}/${count}`).value(JSON.stringify(body)))
    .commit();
  await ack(done.succeeded ? 'taken' : 'refused');
});
const server = createServer((request, response) => receiver.requestListener(request, response));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
