/** The etcd driver, for etcd 3.4 and newer. Reads are linearizable; a transaction is sent once. */
import type { IKeyValue, ILeaseKeepAliveResponse, ITxnRequest } from 'etcd3';
import { AlarmAction, CompareResult, CompareTarget, SortOrder, SortTarget } from 'etcd3';
import type { Fault } from '../core/errors.ts';
import type { Compare, Driver, DriverStatus, Entry, Operation, RangeOptions, RangePage, TxnResult } from './driver.ts';
import { checkKey, checkTxn, closedFault, pageSize } from './driver.ts';
import { etcdFailure } from './etcd-faults.ts';
import type { Attempt, EtcdConnection } from './etcd-members.ts';
import { openMembers } from './etcd-members.ts';
import { watchEtcd } from './etcd-watch.ts';

export interface EtcdOptions extends EtcdConnection {
  /** How often a watch asks for a sign of life, in milliseconds; default 1,000. */
  heartbeatMs?: number;
  /** What etcd's `--quota-backend-bytes` is set to; its default, and ours, is 2 GiB. etcd does not tell. */
  quotaBytes?: number;
}

const defaultQuota = 2 * 1024 ** 3;

/** Opens the driver; nothing is connected until the first call. */
export function openEtcdDriver(options: EtcdOptions): Driver {
  const members = openMembers(options);
  const watches = new Set<ReturnType<typeof watchEtcd>>();
  let closed = false;
  /** Shrinks when answers are too large, and stays so: the records will not get smaller. */
  let largestPage = pageSize(undefined);

  async function get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    const answer = await members.call((client, attempt) => client.kv.range({ key: Buffer.from(key) }, attempt), {
      writes: false,
    });
    const found = answer.kvs[0];
    return found && toEntry(found);
  }

  async function range(prefix: string, wanted: RangeOptions = {}): Promise<RangePage> {
    const { after, revision, keysOnly = false } = wanted;
    const request = {
      key: Buffer.from(after === undefined || after < prefix ? prefix : `${after}\0`),
      range_end: prefixEnd(prefix),
      revision: revision ?? 0,
      keys_only: keysOnly,
      sort_order: SortOrder.None,
      sort_target: SortTarget.Key,
    };
    for (;;) {
      const limit = Math.min(pageSize(wanted.limit), keysOnly ? pageSize(undefined) : largestPage);
      const answer = await members.call(
        (client, attempt) =>
          client.kv.range({ ...request, limit }, attempt).catch((error: unknown) => tooLargeOr(error)),
        { writes: false, revision },
      );
      if (answer === 'too large') {
        if (limit === 1) throw etcdFailure(new Error(tooLargeText), { writes: false }).fault;
        largestPage = Math.max(1, Math.floor(limit / 2));
        continue;
      }
      return { entries: answer.kvs.map(toEntry), more: answer.more, revision: Number(answer.header.revision) };
    }
  }

  async function txn(compares: Compare[], operations: Operation[]): Promise<TxnResult> {
    checkTxn(compares, operations);
    const request = txnRequest(compares, operations);
    const answer = await members.call((client, attempt) => client.kv.txn(request, attempt), { writes: true });
    const revision = Number(answer.header.revision);
    if (answer.succeeded) return { ok: true, revision };
    const conflicts = compares.filter(
      (compare, index) =>
        Number(answer.responses[index]?.response_range.kvs[0]?.mod_revision ?? 0) !== compare.revision,
    );
    return { ok: false, revision, conflicts: conflicts.map(({ key }) => key) };
  }

  async function keepAlive(lease: string): Promise<boolean> {
    const answer = await members.call(
      async (client, attempt) => firstAnswer(await client.leaseClient.leaseKeepAlive(attempt), lease),
      { writes: false },
    );
    return Number(answer.TTL) > 0;
  }

  async function revoke(lease: string): Promise<void> {
    try {
      // Ending it twice is the same as once, so it may be repeated like a read.
      await members.call((client, attempt) => client.leaseClient.leaseRevoke({ ID: lease }, attempt), {
        writes: false,
      });
    } catch (error) {
      if ((error as Fault).kind !== 'conflict') throw error;
    }
  }

  async function status(): Promise<DriverStatus> {
    const read = { writes: false };
    const answer = await members.call((client, attempt) => client.maintenance.status(attempt), read);
    const { alarms } = await members.call(
      (client, attempt) => client.maintenance.alarm({ action: AlarmAction.Get }, attempt),
      read,
    );
    return {
      dbSize: Number(answer.dbSize),
      quota: options.quotaBytes ?? defaultQuota,
      revision: Number(answer.header.revision),
      // The wire has NOSPACE where the type says Nospace.
      alarms: [...new Set(alarms.map(({ alarm }) => alarm.toUpperCase()))],
    };
  }

  return {
    name: 'etcd',
    get,
    range,
    txn,
    async grant(ttlMs) {
      const TTL = Math.max(1, Math.ceil(ttlMs / 1000));
      // One that was granted without our hearing of it ends by itself.
      const grant = (client: ReturnType<typeof members.current>, attempt: Attempt) =>
        client.leaseClient.leaseGrant({ TTL, ID: 0 }, attempt);
      return (await members.call(grant, { writes: false })).ID;
    },
    keepAlive,
    revoke,
    watch(prefix, fromRevision, handlers) {
      if (closed) throw closedFault();
      const watch = watchEtcd(members, {
        start: Buffer.from(prefix),
        end: prefixEnd(prefix),
        fromRevision,
        handlers,
        heartbeatMs: options.heartbeatMs ?? 1_000,
      });
      watches.add(watch);
      return {
        poke: watch.poke,
        close() {
          watches.delete(watch);
          return watch.close();
        },
      };
    },
    async compact(revision) {
      await members.call((client, attempt) => client.kv.compact({ revision }, attempt), { writes: true, revision });
    },
    status,
    async close() {
      if (closed) return;
      closed = true;
      await Promise.all([...watches].map((watch) => watch.close()));
      members.close();
    },
  };
}

const tooLargeText = '8 RESOURCE_EXHAUSTED: Received message larger than max';

function tooLargeOr(error: unknown): 'too large' {
  if (etcdFailure(error, { writes: false }).tooLarge) return 'too large';
  throw error;
}

function txnRequest(compares: Compare[], operations: Operation[]): ITxnRequest {
  return {
    compare: compares.map(({ key, revision }) => ({
      key: Buffer.from(key),
      target: CompareTarget.Mod,
      result: CompareResult.Equal,
      mod_revision: revision,
    })),
    success: operations.map((each) => {
      const key = Buffer.from(each.key);
      if (each.op === 'delete') return { request_delete_range: { key } };
      return { request_put: { key, value: Buffer.from(each.value), lease: each.lease ?? 0 } };
    }),
    // So that a failure says which conditions did not hold.
    failure: compares.map(({ key }) => ({ request_range: { key: Buffer.from(key), keys_only: true } })),
  };
}

interface KeepAliveStream {
  on(event: 'data', act: (answer: ILeaseKeepAliveResponse) => void): unknown;
  on(event: 'error', act: (error: Error) => void): unknown;
  on(event: 'end', act: () => void): unknown;
  write(request: { ID: string }): void;
  end(): void;
}

/** etcd extends a lease over a stream; one question, one answer, and the stream ends. */
function firstAnswer(stream: KeepAliveStream, lease: string): Promise<ILeaseKeepAliveResponse> {
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('end', () => reject(new Error('14 UNAVAILABLE: the stream ended without an answer')));
    stream.on('data', (answer) => {
      resolve(answer);
      stream.end();
    });
    stream.write({ ID: lease });
  });
}

function toEntry(kv: IKeyValue): Entry {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    revision: Number(kv.mod_revision),
    created: Number(kv.create_revision),
    version: Number(kv.version),
    ...(kv.lease === '0' ? {} : { lease: kv.lease }),
  };
}

/** The first key after all that begin with the prefix: its last byte plus one (a byte of UTF-8 is never the highest). */
function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
