import type { Command, Registry } from '../command.ts';
import { about } from './about.ts';
import { addonChoose } from './addon-choose.ts';
import { addonDisable } from './addon-disable.ts';
import { addonDns } from './addon-dns.ts';
import { addonEnable, addonUpgrade } from './addon-enable.ts';
import { addonList, addonShow } from './addon-list.ts';
import { appChart } from './app-chart.ts';
import { appDelete } from './app-delete.ts';
import { appDeploy } from './app-deploy.ts';
import { appExpose } from './app-expose.ts';
import { appInstall } from './app-install.ts';
import { appList, appShow } from './app-list.ts';
import { appLogs } from './app-logs.ts';
import { appPause, appResume } from './app-pause.ts';
import { appRecreate } from './app-recreate.ts';
import { appRestart } from './app-restart.ts';
import { appRollback } from './app-rollback.ts';
import { appRun } from './app-run.ts';
import { appScale } from './app-scale.ts';
import { appUpdate } from './app-update.ts';
import { approvals } from './approvals.ts';
import { approve, deny } from './approve.ts';
import { backupCreate } from './backup-create.ts';
import { backupDelete } from './backup-delete.ts';
import { backupDiff } from './backup-diff.ts';
import { backup, backupList } from './backup-list.ts';
import { backupRestore } from './backup-restore.ts';
import { backupRetain } from './backup-retain.ts';
import { backupSchedule } from './backup-schedule.ts';
import { backupSchedules } from './backup-schedules.ts';
import { backupShow } from './backup-show.ts';
import { channel, channelDefault } from './channel.ts';
import { clusterAccept } from './cluster-accept.ts';
import { clusterAccess } from './cluster-access.ts';
import { clusterAccessList, clusterAccessRevoke } from './cluster-access-list.ts';
import { clusterAdopt } from './cluster-adopt.ts';
import { clusterAutoscale } from './cluster-autoscale.ts';
import { clusterCheck } from './cluster-check.ts';
import { clusterCreate } from './cluster-create.ts';
import { clusterDelete } from './cluster-delete.ts';
import { clusterDetach } from './cluster-detach.ts';
import { clusterEdit } from './cluster-edit.ts';
import { clusterForget } from './cluster-forget.ts';
import { clusterGateways } from './cluster-gateways.ts';
import { clusterGet } from './cluster-get.ts';
import { clusterImport } from './cluster-import.ts';
import { clusterNetpol } from './cluster-netpol.ts';
import { clusterPools } from './cluster-pools.ts';
import { clusterStart, clusterStop } from './cluster-power.ts';
import { clusterPrecheck } from './cluster-precheck.ts';
import { clusterRegistry, clusterRegistryShow } from './cluster-registry.ts';
import { registryDefault } from './cluster-registry-default.ts';
import { clusterRepair } from './cluster-repair.ts';
import { clusterScale } from './cluster-scale.ts';
import { clusterShow } from './cluster-show.ts';
import { clusterUpgrade } from './cluster-upgrade.ts';
import { clusters } from './clusters.ts';
import { digest, digestDaily, digestNow, digestOff, digestWeekly } from './digest.ts';
import { doctor } from './doctor.ts';
import { audit, health } from './fleet.ts';
import { guide } from './guide.ts';
import { help, version, whoami } from './help.ts';
import { home } from './home.ts';
import { jobLog } from './job-log.ts';
import { jobCancel, jobRetry, jobShow, jobs } from './jobs.ts';
import { networkAllow } from './network-allow.ts';
import { networkDeny } from './network-deny.ts';
import { networkList } from './network-list.ts';
import { networkRemove } from './network-remove.ts';
import { nodeCordon, nodeUncordon } from './node-cordon.ts';
import { nodeDrain, nodeRemove } from './node-drain.ts';
import { nodeList } from './node-list.ts';
import { notify, notifyHere, notifyOff } from './notify.ts';
import { people, personRole } from './people.ts';
import { provisionerAdd, provisionerCheck, provisionerEdit } from './provisioner-add.ts';
import { provisionerDiscover } from './provisioner-discover.ts';
import { provisionerRemove } from './provisioner-remove.ts';
import { enginesCommand, provisioners } from './provisioners.ts';

/** Every command, in the order of help. Being here is what makes it parse, show in help and be documented. */
const all: readonly Command[] = [
  clusters,
  clusterCreate,
  clusterShow,
  clusterCheck,
  clusterGet,
  clusterAccess,
  clusterAccessList,
  clusterAccessRevoke,
  clusterEdit,
  clusterScale,
  clusterPools,
  clusterAutoscale,
  clusterGateways,
  clusterNetpol,
  networkList,
  networkDeny,
  networkAllow,
  networkRemove,
  clusterPrecheck,
  clusterUpgrade,
  clusterStop,
  clusterStart,
  nodeList,
  nodeCordon,
  nodeUncordon,
  nodeDrain,
  nodeRemove,
  clusterRepair,
  clusterDelete,
  clusterForget,
  clusterImport,
  clusterAdopt,
  clusterDetach,
  clusterAccept,
  clusterRegistry,
  clusterRegistryShow,
  registryDefault,
  backup,
  backupCreate,
  backupList,
  backupShow,
  backupDiff,
  backupRestore,
  backupDelete,
  backupSchedule,
  backupSchedules,
  backupRetain,
  about,
  health,
  appList,
  appShow,
  appLogs,
  appDeploy,
  appRun,
  appInstall,
  appChart,
  appUpdate,
  appScale,
  appExpose,
  appRestart,
  appRecreate,
  appPause,
  appResume,
  appRollback,
  appDelete,
  addonList,
  addonShow,
  addonEnable,
  addonDisable,
  addonUpgrade,
  addonChoose,
  addonDns,
  jobs,
  jobShow,
  jobLog,
  jobCancel,
  jobRetry,
  approvals,
  approve,
  deny,
  provisioners,
  provisionerAdd,
  provisionerCheck,
  provisionerEdit,
  provisionerDiscover,
  provisionerRemove,
  enginesCommand,
  guide,
  audit,
  people,
  personRole,
  doctor,
  channel,
  channelDefault,
  notify,
  notifyHere,
  notifyOff,
  digest,
  digestDaily,
  digestWeekly,
  digestNow,
  digestOff,
  home,
  help,
  whoami,
  version,
];

const byPhrase = new Map<string, Command>();
for (const command of all) {
  for (const phrase of [command.name, ...(command.aliases ?? [])]) {
    const taken = byPhrase.get(phrase);
    if (taken) throw new Error(`Both ${taken.name} and ${command.name} answer to "${phrase}".`);
    byPhrase.set(phrase, command);
  }
}

/** The registry of this build. */
export const registry: Registry = { all, find: (name) => byPhrase.get(name) };
