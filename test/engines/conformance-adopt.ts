import { expect } from 'vitest';
import { parse } from 'yaml';
import { secretKeys } from '../../src/core/schema.ts';
import { eventually } from '../servers.ts';
import { callFor, faultOf } from './calls.ts';
import type { Harness, Suite } from './harness.ts';

interface Kubeconfig {
  clusters: { name: string; cluster: Record<string, unknown> }[];
  users: { name: string; user: Record<string, unknown> }[];
  contexts: { name: string; context: { cluster: string; user: string } }[];
  'current-context': string;
}

const adoptsNone = ({ engine }: Harness) => !engine.capabilities.adopt && 'it adopts nothing';

/** Taking over what others made, and ways in: adopt, release, kubeconfigs, signing in, logs. */
export function adoptRules(suite: Suite): void {
  const { rule } = suite;
  const list = () => suite.client.list(callFor());

  rule(
    'adopt-mark',
    async () => {
      const target = await suite.foreign();
      expect((await suite.client.observe(target, callFor())).mine).toBe(false);
      const listed = async () => (await list()).find((each) => each.externalName === target.externalName);
      const owner = (await listed())?.owner;
      const begun = await suite.client.adopt(target, callFor());
      const adopting = begun ? { ...target, operation: begun.id } : target;
      await eventually(
        'the cluster is adopted',
        async () => (await suite.client.observe(adopting, callFor())).mine && (await idle(target)),
        { timeoutMs: suite.patienceMs },
      );
      expect(await suite.client.adopt(target, callFor())).toBeNull();
      expect(await listed()).toMatchObject({ cluster: target.cluster, org: target.org, state: 'running' });
      // Now it is another's for everybody else.
      const other = { ...target, cluster: 'somebody-elses' };
      for (const each of [() => suite.client.adopt(other, callFor()), () => suite.client.release(other, callFor())]) {
        expect(await faultOf(each())).toMatchObject({ kind: 'conflict', retryable: false });
      }
      const letGo = await suite.client.release(target, callFor());
      const releasing = letGo ? { ...target, operation: letGo.id } : target;
      await eventually(
        'the cluster is released',
        async () => !(await suite.client.observe(releasing, callFor())).mine && (await idle(target)),
        { timeoutMs: suite.patienceMs },
      );
      expect(await suite.client.release(target, callFor())).toBeNull();
      const after = await listed();
      expect(after).toMatchObject({ state: 'running' });
      expect(after?.cluster).toBeUndefined();
      expect(after?.owner).toBe(owner);
    },
    adoptsNone,
  );

  rule(
    'adopt-taken',
    async () => {
      const own = await suite.shared();
      const before = await suite.harness.writes();
      for (const taken of [
        { ...own, cluster: 'somebody-elses' },
        { ...own, org: 'elsewhere' },
      ]) {
        for (const each of [() => suite.client.adopt(taken, callFor()), () => suite.client.release(taken, callFor())]) {
          expect(await faultOf(each())).toMatchObject({ kind: 'conflict', retryable: false });
        }
      }
      expect((await faultOf(suite.client.adopt(suite.aTarget(), callFor()))).kind).toBe('not-found');
      expect(await suite.client.release(suite.aTarget(), callFor())).toBeNull();
      expect(await suite.harness.writes()).toBe(before);
      expect((await suite.client.observe(own, callFor())).mine).toBe(true);
    },
    adoptsNone,
  );

  rule(
    'list-spec',
    async () => {
      const { engine } = suite.harness;
      const own = await suite.shared();
      const foreign = await suite.foreign();
      for (const each of [own.externalName, foreign.externalName]) {
        const found = (await list()).find(({ externalName }) => externalName === each);
        const spec = found?.spec ?? {};
        expect(Object.keys(spec).length).toBeGreaterThan(0);
        expect(engine.describe(spec)).not.toMatch(/undefined|null|NaN/);
        expect(engine.nodes(spec)).toBe(found?.nodes);
        expect(found?.where).toBeTruthy();
        expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
        const seen = await suite.client.observe({ ...foreign, externalName: each, spec }, callFor());
        expect(seen.state).toBe('running');
      }
    },
    adoptsNone,
  );

  rule('kubeconfig-life', async () => {
    const target = await suite.shared();
    const { kubeconfigMs } = suite.harness.engine;
    if (kubeconfigMs !== undefined) {
      expect(kubeconfigMs).toBeGreaterThanOrEqual(60_000);
      expect(kubeconfigMs).toBeLessThanOrEqual(24 * 3_600_000);
    }
    const { cluster, user } = presentOf(await suite.client.kubeconfig(target, callFor()));
    expect(cluster.server).toMatch(/^https:\/\//);
    expect(cluster['insecure-skip-tls-verify']).not.toBe(true);
    // A program on somebody's machine is nothing that a worker could run.
    expect(user.exec).toBeUndefined();
    expect(user['auth-provider']).toBeUndefined();
    expect(user.token ?? user['client-key-data'] ?? user.password).toBeTruthy();
  });

  rule('sign-in', async () => {
    const target = await suite.shared();
    const way = await suite.client.signIn(target, callFor());
    if (way === null) return;
    const { cluster, user } = presentOf(way.kubeconfig);
    expect(cluster.server).toMatch(/^https:\/\//);
    expect(way.needs).toMatch(/\.$/);
    for (const secret of ['token', 'password', 'client-key-data', 'tokenFile']) expect(user[secret]).toBeUndefined();
    for (const secret of await secretsOf(suite.harness)) expect(way.kubeconfig).not.toContain(secret);
  });

  rule(
    'log-text',
    async () => {
      const target = await suite.shared();
      const text = await suite.client.log(target, callFor());
      expect(text?.length ?? 0).toBeGreaterThan(0);
      expect(text?.length ?? 0).toBeLessThanOrEqual(1024 * 1024);
      for (const secret of await secretsOf(suite.harness)) expect(text).not.toContain(secret);
      expect(await suite.client.log(suite.aTarget(), callFor())).toBeNull();
    },
    ({ engine }) => !engine.capabilities.log && 'it has no log',
  );

  async function idle(target: Parameters<typeof suite.client.observe>[0]): Promise<boolean> {
    return (await suite.client.observe(target, callFor())).state === 'running';
  }
}

/** The cluster and the user of a kubeconfig's present context. */
function presentOf(text: string): { cluster: Record<string, unknown>; user: Record<string, unknown> } {
  const config = parse(text) as Kubeconfig;
  const context = config.contexts.find(({ name }) => name === config['current-context'])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = config.users.find(({ name }) => name === context?.user)?.user;
  if (!cluster || !user) throw new Error('the kubeconfig has no context that is complete');
  return { cluster, user };
}

/** Everything that must not be seen: the secret parameters, good and bad, and what the provider has handed out. */
export async function secretsOf(harness: Harness): Promise<string[]> {
  const own = secretKeys(harness.engine.provisioner).flatMap((key) => [harness.params[key], harness.badParams[key]]);
  const texts = own.filter((value) => typeof value === 'string').flatMap(pieces);
  return [...texts, ...(await harness.secrets())].filter((text) => text.length >= 8);
}

/** A secret of several lines (a service-account key) leaks by its lines as well. */
function pieces(secret: string): string[] {
  const keys = secret.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|[^-])+/g) ?? [];
  const lines = keys.flatMap((key) => key.split(/\\n|\n/).filter((line) => line.length >= 40));
  return [secret, ...lines];
}
