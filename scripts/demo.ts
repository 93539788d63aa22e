/**
 * The whole story in one terminal, in under a minute: a developer asks, an admin decides, a cluster is made, used, backed up, upgraded and deleted. It runs the
 * same dispatch, store, queue, engine and TLS that production runs, checks what it shows, and exits with 1 when anything deviates.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Running, startKQueen } from '../src/compose.ts';
import { silentLog } from '../src/core/ports/log.ts';
import { readKubeconfig } from '../src/kube/kubeconfig.ts';

const people = { ada: 'ada, a developer', grace: 'grace, an admin' } as const;
type Name = keyof typeof people;

const began = Date.now();
const dataDir = mkdtempSync(join(tmpdir(), 'kqueen-demo-'));
const screen: { name: string; text: string }[] = [];
let read = 0;
let checks = 0;

function show(name: string, text: string): void {
  screen.push({ name, text });
  // A credential is shown to its owner alone; on this screen everybody looks.
  const safe = text.replace(/^(\s*(?:token|certificate-authority-data): ).*$/gm, '$1•••');
  for (const line of safe.split('\n')) console.log(`  ${name.padEnd(5)} │ ${line}`);
}

function tell(text: string): void {
  console.log(`\n── ${text}`);
}

/** Waits until the person's screen shows it since the last check; the demo fails when it does not. */
async function sees(name: Name, pattern: RegExp, ms = 30_000): Promise<string> {
  const until = Date.now() + ms;
  for (;;) {
    const found = screen.slice(read).find((each) => each.name === name && pattern.test(each.text));
    if (found) {
      checks += 1;
      return found.text;
    }
    if (Date.now() > until) throw new Error(`${people[name]} should see ${pattern}, and does not.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function verify(what: string, holds: boolean): void {
  if (!holds) throw new Error(`It should be that ${what}, and it is not.`);
  checks += 1;
}

async function play(kqueen: Running): Promise<void> {
  const terminal = kqueen.terminal;
  if (!terminal) throw new Error('There is no terminal chat.');
  const say = async (name: Name, line: string) => {
    read = screen.length;
    console.log(`\n  ${name.padEnd(5)} > ${line}`);
    await terminal.say(name, line);
  };
  /** Types what stands behind a button of what the person saw last. */
  const press = async (name: Name, label: string) => {
    const shown = screen.findLast((each) => each.name === name && each.text.includes(`> ${label}: type  `));
    const line = shown?.text.match(new RegExp(`> ${label}: type {2}(.*)$`, 'm'))?.[1];
    if (!line) throw new Error(`${people[name]} should see a button ${label}, and does not.`);
    await say(name, line);
  };
  const { cache } = kqueen;
  const jobs = () => cache.query('job', 'default', { descending: true }).items;
  const phase = () => cache.query('cluster', 'default').items[0]?.phase;

  tell('A developer asks for a cluster. KQueen shows the plan and the cost, and asks an admin.');
  await say('ada', 'cluster create dev-1 on sandbox region=sandbox-north size=small version=1.33 nodes=3 for demo');
  await sees('ada', /waiting for approval[\s\S]*\$\d+\.\d\d an hour/);
  await sees('grace', /your decision is asked/);
  const [job] = jobs();
  if (!job) throw new Error('There is no job.');
  verify('nothing runs before the approval', job.state === 'AwaitingApproval');

  tell('She tries to approve it herself.');
  await say('ada', `approve ${job.id}`);
  await sees('ada', /needs the role admin/);
  verify('the request still waits', jobs()[0]?.state === 'AwaitingApproval');

  tell('The admin agrees, and the job runs with live progress.');
  await say('grace', `approve ${job.id} because the demo needs it`);
  await sees('ada', /Booting control plane|Joining nodes|running/);
  await sees('ada', /Cluster dev-1 is ready[\s\S]*3 of 3 ready/);
  verify('the cluster is Ready', phase() === 'Ready');

  tell('She looks at it, and gets a credential of her own for an hour.');
  await say('ada', 'clusters');
  await sees('ada', /dev-1 +Ready/);
  await say('ada', 'cluster access dev-1 as view for 30m');
  const file = await sees('ada', /apiVersion: v1/);
  verify('the credential works at the cluster itself', (await nodesAt(file)) === 3);

  tell('She runs a program on it. The plan comes first; the button is what agrees.');
  await say('ada', 'app run dev-1 web nginx:1.28 replicas=2 ports=80');
  await sees('ada', /Deploy web to dev-1\?[\s\S]*\+ Deployment default\/web/);
  await press('ada', 'Deploy it');
  await sees('ada', /Deploy web to dev-1: succeeded[\s\S]*web\.default:80/);

  tell('The admin backs the cluster up. She deletes the program by mistake, and it comes back.');
  await say('grace', 'backup create dev-1 secrets=yes');
  await press('grace', 'Back it up');
  const backup = /kept as backup (\S+),/.exec(await sees('grace', /Back up dev-1: succeeded/))?.[1];
  verify('what was kept was read back and is whole', backup !== undefined);
  await say('ada', 'app delete dev-1 web');
  await press('ada', 'Delete it');
  await sees('ada', /Delete web from dev-1: succeeded/);
  await say('grace', `backup restore ${backup}`);
  await sees('grace', /Restore backup [\s\S]*into dev-1\?/);
  await press('grace', 'Restore it');
  await sees('grace', /Restore backup [\s\S]*: succeeded/);
  await say('ada', 'app show dev-1 web');
  await sees('ada', /nginx:1\.28/);

  tell('The cluster gets a newer Kubernetes. KQueen says what it looked at before.');
  await say('grace', 'cluster upgrade dev-1 1.34');
  await sees('grace', /1\.33\.\d+ → 1\.34\.\d+[\s\S]*Pre-checks/);
  await press('grace', 'Upgrade it');
  await sees('grace', /Upgrade cluster dev-1: succeeded/);
  await say('ada', 'cluster check dev-1');
  await sees('ada', /Cluster dev-1 is healthy/);

  tell('An admin may not approve his own request either.');
  await say(
    'grace',
    'cluster create prod-1 on sandbox region=sandbox-west size=small version=1.34 nodes=1 purpose=production',
  );
  await sees('grace', /waiting for approval/);
  const own = jobs()[0];
  await say('grace', `approve ${own?.id}`);
  await sees('grace', /You asked for this yourself/);
  await say('grace', `job cancel ${own?.id}`);
  await sees('grace', /cancelled/);
  verify('its name is free again', cache.query('cluster', 'default').total === 1);

  tell('She deletes it, and mistypes the name first.');
  await say('ada', 'cluster delete dev-1 confirm=dev-l');
  await sees('ada', /not its name\. Nothing was deleted/);
  verify('the cluster is still there', phase() === 'Ready');
  await say('ada', 'cluster delete dev-1 confirm=dev-1');
  await sees('ada', /Delete cluster dev-1: succeeded/);
  verify('the record went after the provider said that it is gone', cache.query('cluster', 'default').total === 0);

  tell('Everything is on record.');
  await say('grace', 'audit dev-1');
  const audit = await sees('grace', /Audit/);
  for (const word of ['requested', 'approved: the demo needs it', 'issued', 'done'])
    verify(`the audit says ${word}`, audit.includes(word));
}

/** How many nodes the handed-out credential can list, over TLS with the cluster's own CA. */
async function nodesAt(shown: string): Promise<number> {
  const connection = readKubeconfig((shown.split(/^--- .*\n/m)[1] ?? '').replace(/^---$/m, ''));
  const { Agent, request } = await import('undici');
  const dispatcher = new Agent({ connect: { ca: connection.ca } });
  try {
    const answer = await request(`${connection.server}/api/v1/nodes`, {
      dispatcher,
      headers: { authorization: `Bearer ${connection.token}` },
    });
    const body = (await answer.body.json()) as { items?: unknown[] };
    return body.items?.length ?? 0;
  } finally {
    await dispatcher.close();
  }
}

let kqueen: Running | undefined;
try {
  console.log('KQueen, playing its whole story on a sandbox: no real machines, no real cost.');
  kqueen = await startKQueen(
    {
      roles: { bot: true, worker: true },
      org: 'default',
      dataDir,
      store: { prefix: '/kqueen', secretKeys: randomBytes(32).toString('base64') },
      http: { host: '127.0.0.1', port: 0 },
      terminal: { write: show },
      sandbox: { on: true, speed: 15, port: 0 },
      limits: { approvalMs: 3_600_000, provisionMs: 600_000 },
      healthIntervalMs: 60_000,
      retention: { auditMs: 86_400_000, jobMs: 86_400_000 },
      bootstrapAdmins: ['terminal:grace'],
      approvals: [],
      metrics: { from: ['127.0.0.0/8'] },
      version: 'demo',
    },
    { log: silentLog },
  );
  await play(kqueen);
  console.log(
    `\nDone in ${Math.round((Date.now() - began) / 1_000)} s; ${checks} things were checked, and all of them held. Next: npm start`,
  );
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await kqueen?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
