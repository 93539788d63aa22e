/**
 * Connections to the members of an etcd cluster: one client for each, the calls with deadlines, and the choice of a member. etcd3's own retries and
 * circuit breakers are switched off: they would repeat a transaction whose answer was lost, and refuse calls for seconds after a
 * restart.
 */
import { rootCertificates } from 'node:tls';
import type { IOptions } from 'etcd3';
import { Etcd3 } from 'etcd3';
import { Fault } from '../core/errors.ts';
import { closedFault } from './driver.ts';
import type { EtcdFailure } from './etcd-faults.ts';
import { etcdFailure, unreachableFault } from './etcd-faults.ts';

export interface EtcdConnection {
  /** `host:port` or `http(s)://host:port`, one for each member. */
  hosts: string[];
  username?: string;
  password?: string;
  /** PEM texts; `ca` alone for a private authority, `cert` and `key` for a client certificate. Only with https hosts. */
  tls?: { ca?: string; cert?: string; key?: string };
  /** How long a call may take, in milliseconds; default 2,000. */
  deadlineMs?: number;
  /** The largest answer that is taken, in bytes; default 32 MiB. Ranges ask for less when it is passed. */
  maxMessageBytes?: number;
}

/** Call options of one attempt. */
export interface Attempt {
  deadline: number;
}

interface CallOptions {
  /** Whether it may have changed something: then it is repeated only when it certainly was not sent. */
  writes: boolean;
  revision?: number | undefined;
}

export interface Members {
  readonly deadlineMs: number;
  /** Runs a call on the member in use, and on others if that one does not answer. Throws Faults. */
  call<T>(act: (client: Etcd3, attempt: Attempt) => Promise<T>, options: CallOptions): Promise<T>;
  current(): Etcd3;
  /** Goes on with the next member, if `failed` is still the one in use. */
  turnFrom(failed: Etcd3): void;
  close(): void;
}

const defaultDeadlineMs = 2_000;
const betweenAttemptsMs = 50;

/** Opens the clients; nothing is connected until the first call. Throws `bad-input` for hosts that cannot be. */
export function openMembers(connection: EtcdConnection): Members {
  const clients = checkHosts(connection.hosts).map((host) => new Etcd3(clientOptions(host, connection)));
  const deadlineMs = connection.deadlineMs ?? defaultDeadlineMs;
  let inUse = 0;
  let closed = false;

  const current = (): Etcd3 => {
    const client = clients[inUse];
    if (closed || !client) throw closedFault();
    return client;
  };

  function turnFrom(failed: Etcd3): void {
    if (clients[inUse] === failed) inUse = (inUse + 1) % clients.length;
  }

  async function call<T>(act: (client: Etcd3, attempt: Attempt) => Promise<T>, options: CallOptions): Promise<T> {
    const end = Date.now() + deadlineMs;
    // A read leaves time to ask another member, if there is one.
    const share = options.writes || clients.length === 1 ? deadlineMs : deadlineMs / 2;
    for (let attempt = 0; ; attempt += 1) {
      const client = current();
      const deadline = Math.min(end, Date.now() + share);
      try {
        return await within(deadline, act(client, { deadline }));
      } catch (error) {
        if (closed) throw closedFault();
        const failed: EtcdFailure = etcdFailure(error, options);
        if (!failed.unreachable) throw failed.fault;
        turnFrom(client);
        const repeatable = failed.notSent || !options.writes;
        if (!repeatable || attempt >= clients.length || Date.now() + betweenAttemptsMs >= end) throw failed.fault;
        await new Promise((resolve) => setTimeout(resolve, betweenAttemptsMs));
      }
    }
  }

  return {
    deadlineMs,
    call,
    current,
    turnFrom,
    close() {
      closed = true;
      for (const client of clients) client.close();
    },
  };
}

/** gRPC keeps the deadline of a call that it has begun; this one also covers what comes before it, such as fetching a token. */
function within<T>(deadline: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('4 DEADLINE_EXCEEDED: no answer within the deadline')),
      // gRPC's own message says more, so it goes first.
      Math.max(0, deadline - Date.now()) + 100,
    );
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function checkHosts(hosts: string[]): string[] {
  const secure = hosts.filter((host) => host.startsWith('https://')).length;
  if (hosts.length === 0 || (secure > 0 && secure < hosts.length)) {
    throw new Fault('bad-input', 'Name the hosts of etcd, all of them with https:// or none.', {
      whose: 'kqueen',
      field: 'KQUEEN_ETCD_HOSTS',
    });
  }
  return hosts.map((host) => host.replace(/\/+$/, ''));
}

function clientOptions(host: string, connection: EtcdConnection): IOptions {
  const { username, password, tls, maxMessageBytes = 32 * 1024 * 1024 } = connection;
  const once = callOnce();
  return {
    hosts: host,
    ...(username === undefined ? {} : { auth: { username, password: password ?? '' } }),
    ...(tls === undefined || !host.startsWith('https://') ? {} : { credentials: credentials(tls) }),
    faultHandling: { global: once, host: () => once },
    // For the calls that nobody gives a deadline: fetching a token. Streams live on.
    defaultCallOptions: ({ isStream }) =>
      isStream ? {} : { deadline: Date.now() + (connection.deadlineMs ?? defaultDeadlineMs) },
    grpcOptions: {
      // etcd3 makes a new channel after a call that was not answered. With the shared pool that channel would get the old connection
      // again, or one that has been connecting in vain since the network broke.
      'grpc.use_local_subchannel_pool': 1,
      // etcd cuts off clients that ping more often than every 5 s (its --grpc-keepalive-min-time); a watch notices sooner by its heartbeat.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      // It counts every ping of a connection without calls as one too many; those are found by the deadline of the next call.
      'grpc.keepalive_permit_without_calls': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.max_receive_message_length': maxMessageBytes,
    },
  };
}

function credentials(tls: NonNullable<EtcdConnection['tls']>): NonNullable<IOptions['credentials']> {
  return {
    rootCertificate: Buffer.from(tls.ca ?? rootCertificates.join('\n')),
    ...(tls.key === undefined ? {} : { privateKey: Buffer.from(tls.key) }),
    ...(tls.cert === undefined ? {} : { certChain: Buffer.from(tls.cert) }),
  };
}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** A policy that calls once and leaves the failure to us. */
function callOnce(): Policy {
  const nothing = () => ({ dispose() {} });
  return {
    _altReturn: undefined as never,
    onSuccess: nothing,
    onFailure: nothing,
    execute: async (act, signal) => act({ signal: signal ?? new AbortController().signal }),
  };
}

/** The fault of a stream that did not answer in time. */
export function silentStream(): Fault {
  return unreachableFault('the watch was not answered within the deadline', false);
}
