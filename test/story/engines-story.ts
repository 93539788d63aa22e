/** The life of a cluster at one engine, from the provisioner to the end, as an admin and a developer play it in Slack. */
import { expect } from 'vitest';
import type { EngineClient, Target } from '../../src/core/ports/engine.ts';
import { clusterSchema, secretKeys } from '../../src/core/schema.ts';
import type { Slack } from '../counterparts/slack/index.ts';
import { callFor } from '../engines/calls.ts';
import { secretsOf } from '../engines/conformance-adopt.ts';
import type { Harness, KubeApi } from '../engines/harness.ts';
import { entriesOf, fillIn } from './engines-forms.ts';
import type { TestKQueen } from './kqueen.ts';
import type { StoryChat } from './story.ts';

/** What it is played with. */
export interface EngineStory {
  slack: Slack;
  chat: StoryChat;
  kqueen: TestKQueen;
  harness: Harness;
}

/** How long a job may take from its button to its last word, in milliseconds. */
const jobMs = 60_000;

/** Plays it; throws where anything deviates. Gives every secret that was around, so that somebody can look for them. */
export async function playEngine({ slack, chat, kqueen, harness }: EngineStory): Promise<string[]> {
  const { engine, spec, update, params, badParams } = harness;
  const { cache } = kqueen;
  const name = `dev-${engine.name}`;
  const place = `lab-${engine.name}`;
  const cluster = () => cache.query('cluster', 'default', { where: (each) => each.name === name }).items[0];

  // The admin adds the provisioner in a private form; wrong credentials are refused at their field, and nothing is kept.
  await chat.say('admin', `provisioner add ${place} engine=${engine.name}`);
  const problem = await fillIn(slack, 'U2', entriesOf(engine.provisioner, badParams));
  expect(problem).not.toBe('');
  expect(problem).toMatch(/credential|token|password|key|secret/i);
  expect(cache.query('provisioner', 'default', { where: (each) => each.name === place }).total).toBe(0);
  expect(await fillIn(slack, 'U2', entriesOf(engine.provisioner, params))).toBe('');
  await chat.sees('admin', new RegExp(`Provisioner ${place} is ready`), 20_000);

  // The developer asks by the form; the plan waits for the admin.
  await chat.say('developer', `cluster create provisioner=${place}`);
  const client = await engine.connect(params);
  const { parameters } = await client.options({}, callFor());
  const fields = [{ label: 'Name', value: name }, ...entriesOf(clusterSchema(engine.cluster, parameters), spec)];
  expect(await fillIn(slack, 'U1', fields)).toBe('');
  const asked = await chat.sees('developer', new RegExp(`Create cluster ${name}: waiting for approval`), 20_000);
  expect(asked).toContain(engine.describe(spec));
  await chat.click('admin', 'Approve', new RegExp(`Create cluster ${name}: your decision is asked`));

  // One live message up to the summary card, with the health that the cluster's own API shows.
  const wanted = engine.nodes(spec);
  const ready = await chat.sees('developer', new RegExp(`Cluster ${name} is ready.*Endpoint`, 's'), jobMs);
  expect(ready).toMatch(new RegExp(`${wanted} of ${wanted} ready`));
  expect(ready).toMatch(/APIServerAvailable yes/);
  expect(chat.count('developer', new RegExp(`Create cluster ${name}|Cluster ${name} is ready`))).toBeLessThanOrEqual(4);
  await chat.say('developer', `cluster check ${name}`);
  await chat.sees('developer', new RegExp(`Cluster ${name} is healthy`), 20_000);
  const record = cluster();
  if (!record) throw new Error(`There is no record of ${name}.`);
  const { org, id, externalName, externalId } = record;
  const target: Target = { org, cluster: id, externalName, spec: record.spec, ...(externalId ? { externalId } : {}) };
  expect(await client.observe(target, callFor())).toMatchObject({ state: 'running', mine: true, nodes: wanted });
  const secrets = [
    ...secretKeys(engine.provisioner).map((key) => String(badParams[key] ?? '')),
    ...(await secretsOf(harness)),
    ...credentialsIn(await client.kubeconfig(target, callFor())),
  ];

  if (engine.capabilities.scale) {
    const [pool, ...others] = engine.pools(spec);
    const which = others.length > 0 ? ` pool=${pool?.name}` : '';
    await chat.say('developer', `cluster scale ${name} nodes=${update.nodes}${which}`);
    // More nodes cost more, so an admin decides.
    await chat.click('admin', 'Approve', new RegExp(`Scale cluster ${name}: your decision is asked`));
    await chat.sees('developer', new RegExp(`Scale cluster ${name}: succeeded`), jobMs);
    expect((await client.observe(target, callFor())).nodes).toBe(update.nodes);
    expect(cluster()).toMatchObject({ phase: 'Ready', nodes: update.nodes });
    await chat.say('developer', `cluster check ${name}`);
    await chat.sees('developer', new RegExp(`${name} is healthy.*${update.nodes} of ${update.nodes}`, 's'), 20_000);
  }

  if (engine.capabilities.upgrade) {
    await chat.say('developer', `cluster upgrade ${name} version=${update.version}`);
    await chat.click('developer', 'Upgrade it', new RegExp(`Upgrade .*${name}`));
    await chat.sees('developer', new RegExp(`Upgrade cluster ${name}: succeeded`), jobMs);
    expect((await client.observe(target, callFor())).version).toBe(update.version);
    expect(cluster()).toMatchObject({ phase: 'Ready', version: update.version });
  }

  // Deleted by its name, and gone at the provider.
  secrets.push(...(await harness.secrets()));
  await chat.say('developer', `cluster delete ${name}`);
  expect(await chat.submit('developer', { [`Type ${name} to delete it`]: `${name}x` })).toMatch(/not its name/);
  expect(await chat.submit('developer', { [`Type ${name} to delete it`]: name })).toBe('');
  await chat.sees('developer', new RegExp(`Delete cluster ${name}: succeeded`), jobMs);
  expect(cluster()).toBeUndefined();
  expect((await client.observe(target, callFor())).state).toBe('absent');
  if (engine.capabilities.adopt) await playAdoption({ slack, chat, kqueen, harness }, client, place);
  await client.close();
  secrets.push(...(await harness.secrets()));
  return secrets;
}

/** A cluster that somebody else made at the provider: found, taken over, looked at and let go again, while it stays as it is. */
async function playAdoption({ slack, chat, kqueen, harness }: EngineStory, client: EngineClient, place: string) {
  const name = `old-${harness.engine.name}`;
  const there = `legacy-${harness.engine.name}`;
  const listed = async () => (await client.list(callFor())).find(({ externalName }) => externalName === there);
  const cluster = () => kqueen.cache.query('cluster', 'default', { where: (each) => each.name === name }).items[0];
  await harness.makeForeign(there);
  await slack.until(async () => (await listed())?.state === 'running', 20_000, `${there} runs`);
  await chat.say('admin', `provisioner discover ${place}`);
  await chat.sees('admin', new RegExp(there));
  await chat.say('admin', `cluster adopt ${there} on ${place} name=${name} purpose=test`);
  await chat.click('admin', 'Adopt it', new RegExp(`Adopt .*${name}`));
  await chat.sees('admin', new RegExp(`Adopt cluster ${name}: succeeded|Cluster ${name} is ready`), jobMs);
  expect(cluster()).toMatchObject({ phase: 'Ready', origin: 'adopted' });
  expect(await listed()).toMatchObject({ state: 'running', cluster: cluster()?.id });
  await chat.say('admin', `cluster check ${name}`);
  await chat.sees('admin', new RegExp(`Cluster ${name} is healthy`), 20_000);
  await detach({ slack, chat }, name);
  await chat.sees('admin', new RegExp(`Detach cluster ${name}: succeeded`), jobMs);
  expect(cluster()).toBeUndefined();
  const after = await listed();
  expect(after?.state).toBe('running');
  expect(after?.cluster).toBeUndefined();
}

/** The admin lets go of a cluster by typing its name. */
async function detach({ slack, chat }: Pick<EngineStory, 'slack' | 'chat'>, name: string): Promise<void> {
  await chat.say('admin', `cluster detach ${name}`);
  const view = await slack.until(() => slack.user('U2').view, 5_000, 'a form');
  const asked = view.blocks.find(({ type }) => type === 'input')?.label as { text: string } | undefined;
  expect(await fillIn(slack, 'U2', [{ label: asked?.text ?? '', value: name }])).toBe('');
}

/** A cluster that exists already: imported by its kubeconfig, looked at, and let go. A kubeconfig that is none or lets nobody in is refused. */
export async function playImport(story: Omit<EngineStory, 'harness'>, api: KubeApi): Promise<void> {
  const { slack, chat, kqueen } = story;
  const name = 'old-1';
  const cluster = () => kqueen.cache.query('cluster', 'default', { where: (each) => each.name === name }).items[0];
  await chat.say('admin', `cluster import ${name}`);
  const label = 'Kubeconfig';
  expect(await fillIn(slack, 'U2', [{ label, value: 'apiVersion: v1' }])).toMatch(/kubeconfig/i);
  const stranger = api.kubeconfig.replace(api.token, 'canary-token-that-lets-nobody-in');
  expect(await fillIn(slack, 'U2', [{ label, value: stranger }])).toMatch(/token|credential|sign/i);
  expect(cluster()).toBeUndefined();
  expect(await fillIn(slack, 'U2', [{ label, value: api.kubeconfig }])).toBe('');
  expect(await chat.sees('admin', new RegExp(`Cluster ${name} is imported`), 20_000)).toMatch(/2 of 2 ready/);
  expect(cluster()).toMatchObject({ phase: 'Ready', origin: 'imported', readOnly: true, nodes: 2 });
  await chat.say('admin', `cluster check ${name}`);
  await chat.sees('admin', new RegExp(`Cluster ${name} is healthy`), 20_000);
  await detach(story, name);
  await chat.sees('admin', new RegExp(`${name} is detached|let go of.*${name}|Detach.*${name}`, 's'), 20_000);
  expect(cluster()).toBeUndefined();
}

/** Tokens, passwords and private keys of a kubeconfig. */
function credentialsIn(kubeconfig: string): string[] {
  return [...kubeconfig.matchAll(/(?:token|password|client-key-data)"?: "?([^\s",]+)/g)].flatMap(
    ([, secret]) => secret ?? [],
  );
}
