/** The floor of a start, as a process of its own: the packages a bot with Slack loads, and every record read in pages. */
import '@slack/bolt';
import '@slack/web-api';
import 'bullmq';
import 'ioredis';
import 'pino';
import 'prom-client';
import 'undici';
import 'zod';
import { Etcd3 } from 'etcd3';

const { FLOOR_ETCD = '', FLOOR_PREFIX = '' } = process.env;
const etcd = new Etcd3({ hosts: FLOOR_ETCD });
const end = `${FLOOR_PREFIX.slice(0, -1)}${String.fromCharCode(FLOOR_PREFIX.charCodeAt(FLOOR_PREFIX.length - 1) + 1)}`;
let key = FLOOR_PREFIX;
let count = 0;
for (;;) {
  const page = await etcd.kv.range({ key: Buffer.from(key), range_end: Buffer.from(end), limit: 500 });
  count += page.kvs.length;
  if (!page.more) break;
  key = `${page.kvs.at(-1)?.key.toString()}\0`;
}
process.stdout.write(`${count}\n`);
process.exit(0);
