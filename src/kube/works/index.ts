import type { WorkOperation } from '../operation.ts';
import { revokeAccess } from './access-revoke.ts';
import { changeAddons } from './addon-change.ts';
import { checkDns } from './addon-dns.ts';
import { deleteApp } from './app-delete.ts';
import { deployApp } from './app-deploy.ts';
import { pauseApp } from './app-pause.ts';
import { recreateApp } from './app-recreate.ts';
import { restartApp } from './app-restart.ts';
import { exposeApp, rollbackApp, updateApp } from './app-revise.ts';
import { scaleApp } from './app-scale.ts';
import { removeNetworkRules, setNetworkRules } from './network-rules.ts';
import { cordonNode } from './node-cordon.ts';
import { drainNodeWork } from './node-drain.ts';
import { repairNodes } from './node-repair.ts';
import { setRegistry } from './registry-set.ts';
import { scaleDown } from './scale-down.ts';

const all: readonly WorkOperation[] = [
  restartApp,
  deployApp,
  updateApp,
  exposeApp,
  rollbackApp,
  scaleApp,
  pauseApp,
  recreateApp,
  deleteApp,
  revokeAccess,
  changeAddons,
  checkDns,
  setRegistry,
  setNetworkRules,
  removeNetworkRules,
  cordonNode,
  drainNodeWork,
  repairNodes,
  scaleDown,
];

/** Every kind of work, by its name. Being here is what lets a command ask for it. */
export const works: Readonly<Record<string, WorkOperation>> = Object.fromEntries(all.map((each) => [each.op, each]));
