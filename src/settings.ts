/** What one process is told to be: the composition's own words, made by config.ts from the environment and by tests for themselves. */
import { join } from 'node:path';
import type { TeamsOptions } from './bot/teams/adapter.ts';
import type { Place } from './core/records.ts';
import type { ArchivePlace } from './store/archive/index.ts';
import type { StoreSettings } from './store/index.ts';

export interface SlackSettings {
  /** Of the one workspace that is served. Exclusive with `oauth`. */
  botToken?: string;
  /** Every workspace that installs the app is served; needs `publicUrl`. */
  oauth?: {
    clientId: string;
    clientSecret: string;
    /** Team ids that may; absent: every workspace that Slack lets install the app. */
    workspaces?: readonly string[];
  };
  signingSecret?: string;
  appToken?: string;
  apiUrl?: string;
}

export interface TeamsSettings {
  appId: string;
  appPassword: string;
  tenantId: string;
  appType: 'SingleTenant' | 'MultiTenant' | 'UserAssignedMSI';
  /** Authentication off; loopback only. */
  development: boolean;
  /** Other addresses than Microsoft's public cloud. */
  endpoints?: NonNullable<TeamsOptions['endpoints']>;
}

/** Everything there is to tell. */
export interface Settings {
  roles: { bot: boolean; worker: boolean };
  org: string;
  dataDir: string;
  store: StoreSettings;
  redisUrl?: string;
  redisPrefix?: string;
  http: { host: string; port: number };
  publicUrl?: string;
  slack?: SlackSettings;
  teams?: TeamsSettings;
  /** Writes what KQueen says to a person of the terminal; absent: no terminal chat. */
  terminal?: {
    write(name: string, text: string): void;
    ask?: (name: string, question: string, secret: boolean) => Promise<string | null>;
    /** Reads a file of this machine for a long text in a form; only where the person sits at it. */
    readFile?: (path: string, most: number) => Promise<string>;
  };
  /** Accepts lines for the terminal's admin over loopback HTTP with this token. */
  localToken?: string;
  sandbox: { on: boolean; speed: number; port: number; admin?: boolean };
  engines?: readonly string[];
  /** From where apps may come: hosts, and the helm program. */
  apps?: { hosts: readonly string[]; helm?: string; addonDir?: string };
  /** Where backups of clusters are kept; absent: `backups` in the data folder. */
  backups?: ArchivePlace;
  limits: { approvalMs: number; provisionMs: number };
  healthIntervalMs: number;
  retention: { auditMs: number; jobMs: number };
  bootstrapAdmins: readonly string[];
  approvals: readonly Place[];
  metrics: { from: readonly string[]; token?: string };
  /** What the configuration made worth a warning, by the variable's name. */
  warnings?: readonly { name: string; message: string }[];
  version: string;
}

/** Where backups of clusters are kept: what is configured, else a folder in the data folder. */
export function backupPlaceOf({ backups, dataDir }: Pick<Settings, 'backups' | 'dataDir'>): ArchivePlace {
  return backups ?? { kind: 'dir', path: join(dataDir, 'backups') };
}
