/** What is said in the parity run, in this order; each step leaves the world to the next. */
import type { Who } from './seat.ts';

export interface Step {
  /** The command of the registry that it shows, or what a message without a command is about. */
  about: string;
  /** The line to type. `JOB(name)` is the newest job of that cluster. */
  line?: string;
  /** Instead of a line: the message on the screen whose buttons are pressed. */
  on?: RegExp;
  who?: Who;
  /** The message that says what came of it, where an answer of its own is needed in one chat only; its buttons are pressed elsewhere. */
  shown?: RegExp;
  /** Only said, so that there is something to look at. */
  silent?: true;
}

const spec = 'on sandbox region=sandbox-north version=1.34.2 size=small nodes=2';
const asks = (name: string): Step => ({
  about: 'cluster create',
  line: `cluster create ${name} ${spec}`,
  who: 'developer',
  silent: true,
});

/** Messages that come by themselves, as they are named in the table. */
export const messages = {
  live: 'live message of a job',
  ready: 'live message at its end',
  request: 'request for a decision',
};

export const steps: Step[] = [
  { about: 'help', line: 'help' },
  { about: 'whoami', line: 'whoami' },
  { about: 'version', line: 'version' },
  { about: 'engines', line: 'engines' },
  { about: 'guide', line: 'guide sandbox' },
  { about: 'provisioners', line: 'provisioners' },
  { about: 'provisioner check', line: 'provisioner check sandbox' },
  { about: 'provisioner edit', line: 'provisioner edit sandbox' },
  { about: 'provisioner add', line: 'provisioner add lab engine=sandbox' },
  { about: 'provisioner remove', line: 'provisioner remove sandbox' },
  { about: 'cluster create', line: `cluster create dev-1 ${spec}` },
  { about: messages.ready, on: /Cluster dev-1 is ready/ },
  { about: 'clusters', line: 'clusters' },
  { about: 'cluster show', line: 'cluster show dev-1' },
  { about: 'cluster check', line: 'cluster check dev-1' },
  { about: 'cluster access', line: 'cluster access dev-1' },
  { about: 'cluster edit', line: 'cluster edit dev-1 purpose=test' },
  { about: 'cluster scale', line: 'cluster scale dev-1 nodes=3' },
  { about: 'cluster autoscale', line: 'cluster autoscale dev-1 min=1 max=4' },
  { about: 'cluster pools', line: 'cluster pools dev-1' },
  { about: 'cluster gateways', line: 'cluster gateways dev-1' },
  { about: 'cluster netpol', line: 'cluster netpol dev-1' },
  { about: 'network list', line: 'network list dev-1' },
  { about: 'network deny', line: 'network deny dev-1 default from=same' },
  { about: 'network allow', line: 'network allow dev-1 default to=outside' },
  { about: 'network remove', line: 'network remove dev-1 default' },
  { about: 'cluster precheck', line: 'cluster precheck dev-1' },
  { about: 'cluster upgrade', line: 'cluster upgrade dev-1' },
  { about: 'cluster stop', line: 'cluster stop dev-1' },
  { about: 'cluster start', line: 'cluster start dev-1' },
  { about: 'cluster accept', line: 'cluster accept dev-1' },
  { about: 'node list', line: 'node list dev-1' },
  { about: 'cluster repair', line: 'cluster repair dev-1' },
  { about: 'backup', line: 'backup' },
  { about: 'backup create', line: 'backup create dev-1 as=first' },
  { about: 'app restart', line: 'app restart dev-1 coredns namespace=kube-system' },
  { about: 'app deploy', line: 'app deploy dev-1' },
  { about: 'app delete', line: 'app delete dev-1 web' },
  { about: 'addon enable', line: 'addon enable dev-1 headlamp' },
  { about: 'addon list', line: 'addon list dev-1' },
  { about: 'addon show', line: 'addon show dev-1 headlamp' },
  { about: 'addon choose', line: 'addon choose dev-1' },
  { about: 'addon upgrade', line: 'addon upgrade dev-1 headlamp' },
  { about: 'addon disable', line: 'addon disable dev-1 headlamp' },
  { about: 'addon dns', line: 'addon dns dev-1' },
  { about: 'cluster registry', line: 'cluster registry dev-1' },
  { about: 'cluster registry show', line: 'cluster registry show dev-1' },
  { about: 'registry default', line: 'registry default' },
  { about: 'backup list', line: 'backup list' },
  { about: 'backup show', line: 'backup show first' },
  { about: 'backup diff', line: 'backup diff first' },
  { about: 'backup restore', line: 'backup restore first as=again' },
  { about: 'backup delete', line: 'backup delete first' },
  { about: 'backup schedule', line: 'backup schedule dev-1 daily at 02:30 zone=UTC keep=7' },
  { about: 'backup schedules', line: 'backup schedules' },
  { about: 'backup retain', line: 'backup retain dev-1' },
  { about: 'health', line: 'health' },
  { about: 'about', line: 'about "dev-1 is slow again"' },
  { about: 'jobs', line: 'jobs' },
  { about: 'job show', line: 'job show JOB(dev-1)' },
  { about: 'job log', line: 'job log JOB(dev-1)' },
  asks('ask-1'),
  { about: 'approvals', line: 'approvals' },
  asks('ask-2'),
  { about: messages.live, on: /Create cluster ask-2: waiting for approval/, who: 'developer' },
  { about: 'job retry', line: 'job retry JOB(ask-2)', who: 'developer' },
  asks('ask-3'),
  { about: messages.request, on: /Create cluster ask-3: your decision is asked/ },
  asks('ask-4'),
  { about: 'approve', line: 'approve JOB(ask-4)', shown: /Create cluster ask-4: approved/ },
  asks('ask-5'),
  { about: 'deny', line: 'deny JOB(ask-5) because no', shown: /Create cluster ask-5: denied/ },
  asks('ask-6'),
  { about: 'job cancel', line: 'job cancel JOB(ask-6)', who: 'developer', shown: /Create cluster ask-6: cancelled/ },
  { about: 'cluster import', line: 'cluster import old-1' },
  { about: 'provisioner discover', line: 'provisioner discover sandbox' },
  { about: 'cluster adopt', line: 'cluster adopt legacy-1 on sandbox name=old-2 purpose=test' },
  { about: 'cluster detach', line: 'cluster detach old-2' },
  { about: 'cluster forget', line: 'cluster forget dev-1' },
  { about: 'cluster delete', line: 'cluster delete dev-1' },
  { about: 'channel', line: 'channel' },
  { about: 'channel default', line: 'channel default dev-1' },
  { about: 'notify', line: 'notify' },
  { about: 'notify here', line: 'notify here level=problems' },
  { about: 'notify off', line: 'notify off' },
  { about: 'digest', line: 'digest' },
  { about: 'digest daily', line: 'digest daily at 09:00' },
  { about: 'digest weekly', line: 'digest weekly mon at 09:00' },
  { about: 'digest now', line: 'digest now', shown: /The fleet on/ },
  { about: 'digest off', line: 'digest off' },
  { about: 'people', line: 'people' },
  { about: 'person role', line: 'person role ada member' },
  { about: 'audit', line: 'audit dev-1' },
  { about: 'doctor', line: 'doctor' },
  { about: 'home', line: 'home' },
];
