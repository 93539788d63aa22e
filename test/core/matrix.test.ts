import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registry } from '../../src/core/commands/index.ts';
import { policies } from '../../src/core/policy.ts';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, org, people, provisionerRecord, type Stage, type Who, words } from './stage.ts';

let stage: Stage;

/** The job that waits for a decision. */
let waiting = '';

beforeEach(async () => {
  stage = await openStage();
  await stage.put(...provisionerRecord('lab'), ...provisionerRecord('spare'));
  await stage.put(
    ...clusterChanges(
      sampleCluster('c1', {
        name: 'dev-1',
        owner: people.dev.id,
        ownerName: 'Dev',
        provisioner: 'lab',
        purpose: 'test',
      }),
    ),
  );
  await stage.put({
    op: 'put',
    ref: { kind: 'backup', org, id: 'kept1' },
    record: {
      ...{
        v: 1,
        id: 'kept1',
        org,
        cluster: 'c1',
        clusterName: 'dev-1',
        owner: people.dev.id,
        state: 'kept',
        job: 'j0',
      },
      ...{ requestedBy: people.dev.id, requesterName: 'Dev', createdAt: 1, by: 'kqueen' },
      ...{ secrets: false, snapshots: false },
    },
  });
  await stage.say('dev', 'cluster create new-1 on lab region=a version=1 size=s nodes=1');
  waiting = (await stage.lastJob()).id;
});
afterEach(() => stage.close());

/** For each command a line that would do it, were it allowed. `JOB` is a request of Dev's, `dev-1` a cluster of Dev's. */
const lines: Record<string, string> = {
  clusters: 'clusters',
  'cluster create': 'cluster create other-1 on lab region=a version=1 size=s nodes=1',
  'cluster show': 'cluster show dev-1',
  'cluster check': 'cluster check dev-1',
  'cluster get': 'cluster get pods dev-1',
  'app logs': 'app logs dev-1 web',
  'cluster access': 'cluster access dev-1',
  'cluster access list': 'cluster access list dev-1',
  'cluster access revoke': 'cluster access revoke dev-1',
  'cluster edit': 'cluster edit dev-1 purpose=demo',
  'cluster scale': 'cluster scale dev-1 nodes=5',
  'cluster autoscale': 'cluster autoscale dev-1 min=1 max=3',
  'cluster pools': 'cluster pools dev-1',
  'cluster gateways': 'cluster gateways dev-1 1',
  'cluster netpol': 'cluster netpol dev-1 on',
  'network list': 'network list dev-1',
  'network deny': 'network deny dev-1 shop',
  'network allow': 'network allow dev-1 shop from=web',
  'network remove': 'network remove dev-1 shop',
  'cluster precheck': 'cluster precheck dev-1',
  'cluster upgrade': 'cluster upgrade dev-1',
  'cluster stop': 'cluster stop dev-1',
  'cluster start': 'cluster start dev-1',
  'node list': 'node list dev-1',
  'node cordon': 'node cordon dev-1 n-1',
  'node uncordon': 'node uncordon dev-1 n-1',
  'node drain': 'node drain dev-1 n-1',
  'node remove': 'node remove dev-1 n-1',
  'cluster repair': 'cluster repair dev-1',
  'cluster delete': 'cluster delete dev-1 confirm=dev-1',
  'cluster forget': 'cluster forget dev-1 confirm=dev-1',
  'cluster import': 'cluster import old-1',
  'cluster adopt': 'cluster adopt legacy-1 on lab name=old-2',
  'cluster detach': 'cluster detach dev-1 confirm=dev-1',
  'cluster accept': 'cluster accept dev-1',
  backup: 'backup',
  'backup create': 'backup create dev-1',
  'backup list': 'backup list',
  'backup show': 'backup show kept1',
  'backup diff': 'backup diff kept1',
  'backup restore': 'backup restore kept1',
  'backup delete': 'backup delete kept1 confirm=kept1',
  'backup schedule': 'backup schedule dev-1 daily',
  'backup schedules': 'backup schedules',
  'backup retain': 'backup retain dev-1 7',
  health: 'health',
  jobs: 'jobs',
  'job show': 'job show JOB',
  'job log': 'job log JOB',
  'job cancel': 'job cancel JOB',
  'job retry': 'job retry JOB',
  approvals: 'approvals',
  approve: 'approve JOB',
  deny: 'deny JOB because no',
  provisioners: 'provisioners',
  'provisioner add': 'provisioner add other',
  'provisioner check': 'provisioner check lab',
  'provisioner edit': 'provisioner edit lab',
  'provisioner discover': 'provisioner discover lab',
  'provisioner remove': 'provisioner remove spare confirm=spare',
  engines: 'engines',
  guide: 'guide sandbox',
  'app deploy': 'app deploy dev-1 web',
  'app delete': 'app delete dev-1 web',
  'app chart': 'app chart dev-1 cache redis repo=https://charts.example.com',
  'app run': 'app run dev-1 web nginx:1.29',
  'app install': 'app install dev-1 redis',
  'app list': 'app list dev-1',
  'app show': 'app show dev-1 web',
  'app update': 'app update dev-1 web nginx:1.30',
  'app scale': 'app scale dev-1 web 3',
  'app expose': 'app expose dev-1 web',
  'app recreate': 'app recreate dev-1 web',
  'app pause': 'app pause dev-1 web',
  'app resume': 'app resume dev-1 web',
  'app rollback': 'app rollback dev-1 web',
  'app restart': 'app restart dev-1 web',
  'addon list': 'addon list dev-1',
  'addon show': 'addon show dev-1 metrics-server',
  'addon enable': 'addon enable dev-1 metrics-server',
  'addon disable': 'addon disable dev-1 metrics-server',
  'addon upgrade': 'addon upgrade dev-1 metrics-server',
  'addon choose': 'addon choose dev-1 metrics-server=yes',
  'addon dns': 'addon dns dev-1',
  'cluster registry': 'cluster registry dev-1 mirrors="docker.io=mirror.example.com/hub"',
  'cluster registry show': 'cluster registry show dev-1',
  'registry default': 'registry default',
  channel: 'channel',
  'channel default': 'channel default dev-1',
  notify: 'notify',
  'notify here': 'notify here level=problems',
  'notify off': 'notify off',
  digest: 'digest',
  'digest daily': 'digest daily at 09:00',
  'digest weekly': 'digest weekly mon at 09:00',
  'digest now': 'digest now',
  'digest off': 'digest off',
  audit: 'audit',
  people: 'people',
  'person role': 'person role Mel admin',
  doctor: 'doctor',
  home: 'home',
  about: 'about "dev-1 is slow"',
  help: 'help',
  whoami: 'whoami',
  version: 'version',
};

const may: Record<'member' | 'owner' | 'admin' | 'superadmin', Who[]> = {
  member: ['dev', 'mel', 'anna', 'grace'],
  owner: ['dev', 'anna', 'grace'],
  admin: ['anna', 'grace'],
  superadmin: ['grace'],
};

/** Everything but the audit and who was seen. */
async function world(): Promise<string> {
  const kinds = ['cluster', 'name', 'provisioner', 'job', 'approval', 'secret', 'handout', 'delivery'] as const;
  const pages = await Promise.all(kinds.map((kind) => stage.opened.store.page(kind, org, { limit: 500 })));
  return JSON.stringify(pages.map(({ items }) => items));
}

test('the matrix has every command', () => {
  expect(Object.keys(lines).sort()).toEqual(registry.all.map(({ name }) => name).sort());
});

// D16, S3: commands that skipped the check. D9: hiding a command is not authorisation.
describe('S3 D9 D16 every command, role and ownership', () => {
  test.each(registry.all.map((command) => [command.name, command] as const))('%s', async (name, command) => {
    const line = () => (lines[name] ?? '').replace('JOB', waiting);
    const allowed = may[policies[command.policy]];
    const before = await world();
    for (const who of ['mel', 'dev', 'anna'] as const) {
      if (allowed.includes(who)) continue;
      // Typed, clicked and from a form: each is checked.
      for (const source of ['command', 'button', 'form', 'open-form', 'mention', 'direct'] as const) {
        const answer = await stage.say(who, line(), { source, ...(source === 'form' ? { values: {} } : {}) });
        expect(answer.card?.title, `${who} ${source}`).toBe('Not allowed');
        expect(answer.card?.text).toMatch(/Ask|ask/);
        expect(answer.form).toBeUndefined();
      }
      const refused = (await stage.audit()).filter(({ outcome }) => outcome === 'refused');
      expect(refused.filter((each) => each.who === people[who].id)).toHaveLength(6);
    }
    expect(await world()).toBe(before);
    // A person of another workspace, or a guest, is refused whatever they are in the records.
    for (const who of allowed) {
      const person = { ...people[who], external: 'You are a guest here.' };
      const answer = await stage.say(who, line(), { person });
      expect(answer.card?.title).toBe('Not for guests');
      expect(words(answer)).toContain('You are a guest here.');
    }
    expect(await world()).toBe(before);
    for (const who of allowed) {
      const answer = await stage.say(who, line());
      const own = name === 'approve' || name === 'deny' ? /asked for this yourself/ : /$^/;
      if (!own.test(words(answer))) expect(answer.card?.title, who).not.toBe('Not allowed');
    }
  });
});

test('a guest is audited with the reason', async () => {
  await stage.say('gus', 'clusters', { person: { ...people.gus, external: 'You are a guest here.' } });
  const refused = (await stage.audit()).filter(({ outcome }) => outcome === 'refused');
  expect(refused).toMatchObject([{ action: 'access', who: people.gus.id, reason: 'You are a guest here.' }]);
});

describe('help', () => {
  test.each(['dev', 'grace'] as const)('lists for %s what they may do, all of it and nothing else', async (who) => {
    const answer = await stage.say(who, 'help');
    const texts = (answer.card?.parts ?? []).flatMap((part) => (part.part === 'text' ? part.text.split('\n') : []));
    // A group names each noun once, with its verbs after it: "`node` list, cordon; `health`".
    const said = texts.flatMap((line) => {
      const [, nouns = ''] = /^\*.+?\*: (.*)$/.exec(line) ?? [];
      return nouns.split('; ').flatMap((each) => {
        const [, noun = '', verbs = ''] = /^`(.+?)` ?(.*)$/.exec(each) ?? [];
        return [noun, ...verbs.split(', ').map((verb) => `${noun} ${verb}`)];
      });
    });
    for (const { name, policy } of registry.all) {
      const rule = policies[policy];
      expect(said.includes(name), name).toBe(may[rule].includes(who));
    }
    // D8: what help tells to type is there.
    for (const button of answer.card?.buttons ?? [])
      expect((await stage.say(who, button.command ?? '')).card?.title).not.toBe('I do not know that');
  });

  test.each(registry.all.map(({ name }) => name))('knows %s', async (name) => {
    const answer = await stage.say('grace', `help ${name}`);
    expect(answer.card?.title).toBe(name);
    for (const example of registry.find(name)?.examples ?? [])
      expect(words(answer)).toContain(JSON.stringify(`/kqueen ${example}`).slice(1, -1));
  });

  test('an empty line is help, and the examples are written as they are typed here', async () => {
    expect((await stage.say('dev', '')).card?.title).toMatch(/clusters from chat/);
    expect(words(await stage.say('dev', 'help', { private: true }))).not.toContain('/kqueen');
  });
});
