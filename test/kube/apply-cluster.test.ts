import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asFault } from '../../src/core/errors.ts';
import type { Kube } from '../../src/core/ports/kube.ts';
import type { Work, WorkPlan } from '../../src/core/ports/work.ts';
import { openKube } from '../../src/kube/index.ts';
import { realClock } from '../store/clocks.ts';
import { keepingLog } from '../store/parts.ts';
import { type BothCluster, SERVERS } from './both.ts';

describe.each(SERVERS)('apps on $name', ({ skipped, open }) => {
  describe.skipIf(skipped !== null)('with its own API server', () => {
    let cluster: BothCluster;
    let kube: Kube;
    let namespace: string;
    beforeAll(async () => {
      cluster = await open();
      kube = openKube({ log: keepingLog(), clock: realClock });
      namespace = await cluster.namespace();
    }, 90_000);
    afterAll(async () => {
      for (const app of apps) {
        const known = await kube
          .plan(cluster.kubeconfig, { op: 'app.delete', input: { app, data: true } }, call())
          .catch(asFault);
        if ('steps' in known) await finish({ op: 'app.delete', input: { app, data: true } });
      }
      await cluster.call('DELETE', '/api/v1/namespaces/fresh');
      await kube.close();
      await cluster.close();
    }, 60_000);

    const call = () => ({ signal: new AbortController().signal, deadline: Date.now() + 10_000 });
    let asked = 0;
    /** What was deployed: none of it stays in a cluster that was given. */
    const apps = new Set<string>();
    /** The namespace of the moment by the name that people see most. */
    const plainly = (text: string) => text.replaceAll(namespace, 'default');

    async function workOf(
      app: string,
      text: string,
      input: Record<string, unknown> = {},
    ): Promise<Omit<Work, 'progress'>> {
      const { bulk } = await kube.bundle(cluster.kubeconfig, { name: app, namespace }, { from: 'text', text }, call());
      asked += 1;
      apps.add(app);
      return {
        op: 'app.deploy',
        bulk,
        input: { app, namespace, by: 'Ada', asked: `a${asked}`, source: 'manifests', ...input },
      };
    }

    async function planOf(app: string, text: string, input: Record<string, unknown> = {}): Promise<WorkPlan> {
      const plan = await kube.plan(cluster.kubeconfig, await workOf(app, text, input), call());
      return { ...plan, detail: plainly(plan.detail ?? ''), warnings: plan.warnings.map(plainly) };
    }

    async function refusal(app: string, text: string, input: Record<string, unknown> = {}): Promise<string> {
      const fault = await planOf(app, text, input).then(() => null, asFault);
      return fault ? plainly(`${fault.kind} ${fault.message} ${fault.next ?? ''}`) : 'taken';
    }

    /** Runs the work to its end as its job would; each step twice when `twice`, as after a crash before its word was saved. */
    async function finish(work: Omit<Work, 'progress'>, twice = false): Promise<string[]> {
      let progress: Record<string, unknown> = {};
      const notes: string[] = [];
      const end = Date.now() + 30_000;
      while (Date.now() < end) {
        if (twice) await kube.work(cluster.kubeconfig, { ...work, progress }, call());
        const step = await kube.work(cluster.kubeconfig, { ...work, progress }, call());
        notes.push(step.note);
        if (step.state === 'done') return notes;
        progress = step.progress;
        if (step.state === 'wait') await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`not done: ${notes.join(' ')}`);
    }

    const web = (more = '', name = 'web') => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  ${more}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: main, image: "nginx:1.29"}]}
`;
    const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;

    describe('what a cluster refuses is said in the plan', () => {
      test('seeds 55: a typing error is refused with its field', async () => {
        expect(await refusal('typo', web('replica: 3'))).toMatch(
          /bad-input Deployment default\/web has an unknown field .*replica/,
        );
      });
      test('seeds 55: an unknown kind is named', async () => {
        expect(await refusal('kind', 'apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g}')).toMatch(
          /does not know the kind Gadget of example\.org\/v1/,
        );
      });
      test('seeds 57: privileged workloads are refused by policy, and said in the plan when an admin allows them', async () => {
        const text = web().replace('{containers:', '{hostNetwork: true, containers:');
        expect(await refusal('host', text)).toMatch(/not-allowed .*hostNetwork.*allow=privileged/);
        const plan = await planOf('host', text, { privileged: true });
        expect(plan.warnings.join()).toMatch(/hostNetwork\)\. An admin has allowed it/);
      });
      test("KQueen's own namespace is left alone", async () => {
        expect(await refusal('own', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kqueen}')).toMatch(
          /namespace kqueen is KQueen's own/,
        );
      });
      test('seeds 55: fields of others are named, and are taken over only by force, which the plan says', async () => {
        await cluster.call('POST', `/api/v1/namespaces/${namespace}/configmaps?fieldManager=kubectl`, {
          body: { metadata: { name: 'theirs' }, data: { a: 'one' } },
        });
        const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\ndata: {a: two}';
        expect(await refusal('force', text)).toMatch(
          /conflict Of ConfigMap default\/theirs, kubectl keeps data\.a.*force=yes/,
        );
        const plan = await planOf('force', text, { force: true });
        expect(plan.warnings.join()).toMatch(
          /taken over from kubectl: data\.a.*is there already and becomes part of this app/,
        );
        expect(plan.detail).toContain('~ data.a: one → two');
      });
      test('seeds 55: an immutable field is named with what to do', async () => {
        await finish(await workOf('fixed', web('', 'fixed')));
        const other = web('', 'fixed').replaceAll('app: fixed', 'app: other');
        expect(await refusal('fixed', other)).toMatch(
          /spec\.selector of Deployment default\/fixed cannot be changed.*another name/,
        );
      });
      test('what belongs to another app is not taken', async () => {
        expect(await refusal('thief', web('', 'fixed'))).toMatch(/Deployment default\/fixed belongs to the app fixed/);
      });
      test('Secrets are never in a plan', async () => {
        const secret = `hidden-${Math.random().toString(36).slice(2)}`;
        const text = (value: string) =>
          `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {word: ${value}}`;
        await finish(await workOf('secret', text(secret)));
        const plan = await planOf('secret', text(`${secret}2`));
        expect(JSON.stringify(plan)).not.toContain(secret);
        expect(JSON.stringify(plan)).not.toContain(Buffer.from(secret).toString('base64').slice(0, 10));
        expect(plan.detail).toContain('***');
      });
    });

    describe('what goes into a cluster', () => {
      test('seeds 55: namespaces and kinds first; objects of a namespace that is not there yet are checked and made', async () => {
        const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: fresh}\n---\n${web('', 'deep').replace('{name: deep}', '{name: deep, namespace: fresh}')}`;
        const plan = await planOf('fresh', text);
        expect(plan.detail).toMatch(/^\+ Namespace fresh \(it is not there yet\)/);
        expect(await refusal('fresh', text.replace('  selector', '  replica: 1\n  selector'))).toMatch(
          /Deployment fresh\/deep has an unknown field/,
        );
        await finish(await workOf('fresh', text));
        expect((await cluster.call('GET', '/apis/apps/v1/namespaces/fresh/deployments/deep')).status).toBe(200);
      });

      test('seeds 55: a definition and an object of its kind in one go', async () => {
        const text = `apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n---\n${crd}`;
        const plan = await planOf('widgets', text);
        expect(plan.detail).toMatch(/Widget default\/w.*check it only when it is there/);
        await finish(await workOf('widgets', text));
        const { status, body } = await cluster.call('GET', `/apis/example.com/v1/namespaces/${namespace}/widgets/w`);
        expect([status, (body as { spec?: unknown }).spec]).toEqual([200, { size: 3 }]);
      });

      test('murano: memoised steps: every step twice, as after a crash, makes the same and one revision', async () => {
        const work = await workOf(
          'twice',
          `${web('replicas: 2', 'twice')}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\n`,
        );
        await finish(work, true);
        const { body } = await cluster.call(
          'GET',
          '/api/v1/namespaces/kqueen/secrets?labelSelector=kqueen%2Frevision-of%3Dtwice',
        );
        expect((body as { items: unknown[] }).items).toHaveLength(1);
      });

      test('five revisions are kept, and a list reads none of their manifests', async () => {
        for (let at = 1; at <= 7; at += 1)
          await finish(
            await workOf('many', `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: many}\ndata: {at: "${at}"}`),
          );
        const { body } = await cluster.call(
          'GET',
          '/api/v1/namespaces/kqueen/secrets?labelSelector=kqueen%2Frevision-of%3Dmany',
        );
        const names = (body as { items: { metadata: { name: string } }[] }).items
          .map(({ metadata }) => metadata.name)
          .sort();
        expect(names).toEqual([3, 4, 5, 6, 7].map((each) => `kqueen-app-many-${each}`));
        const seen = await kube.look(cluster.kubeconfig, 'app', { app: 'many', cluster: 'c' }, call());
        expect(JSON.stringify(seen.parts)).toMatch(/"7","running","Ada"/);
      });

      test('what keeps data stays when it is no more in the app, and goes only when that is asked for', async () => {
        const claim =
          'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n';
        const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\n';
        await finish(await workOf('keeps', `${claim}---\n${map}`));
        const plan = await planOf('keeps', map);
        expect(plan.warnings.join()).toMatch(/PersistentVolumeClaim default\/data is no more in it and stays/);
        const remove = { op: 'app.delete', input: { app: 'keeps', data: false } };
        expect((await kube.plan(cluster.kubeconfig, remove, call())).warnings.join()).toMatch(/data=yes/);
        await finish(remove);
        expect((await cluster.call('GET', `/api/v1/namespaces/${namespace}/persistentvolumeclaims/data`)).status).toBe(
          200,
        );
        expect((await cluster.call('GET', `/api/v1/namespaces/${namespace}/configmaps/beside`)).status).toBe(404);
      });
    });
  });
});
