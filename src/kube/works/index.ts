import type { WorkOperation } from '../operation.ts';
import { deleteApp } from './app-delete.ts';
import { deployApp } from './app-deploy.ts';
import { restartApp } from './app-restart.ts';

const all: readonly WorkOperation[] = [restartApp, deployApp, deleteApp];

/** Every kind of work, by its name. Being here is what lets a command ask for it. */
export const works: Readonly<Record<string, WorkOperation>> = Object.fromEntries(all.map((each) => [each.op, each]));
