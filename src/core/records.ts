/**
 * The nouns as they are stored. One zod schema a kind: the store validates with it on the way in and out, and every record carries
 * the version `v` of its shape, so that a newer KQueen can read what an older one wrote. The shapes are in `records/`; which kinds there are is said here.
 */
import type { z } from 'zod';
import { AddonPin, Registry } from './records/addons.ts';
import { Autoscale, Notice } from './records/autoscale.ts';
import { BackupPlan } from './records/backup-plans.ts';
import { Channel, Conversation, Delivery, Installation, Message, StoredPicture, Watch } from './records/chats.ts';
import { Cluster, Health, Name, Provisioner } from './records/clusters.ts';
import { Approval, Audit, Job } from './records/jobs.ts';
import { Claim, Secret } from './records/keeping.ts';
import { Handout, Person } from './records/people.ts';
import { RepairRule } from './records/repairs.ts';
import { Backup } from './records-backup.ts';

export * from './records/addons.ts';
export * from './records/autoscale.ts';
export type { BackupPlan, BackupSchedule, Keeping } from './records/backup-plans.ts';
export * from './records/chats.ts';
export * from './records/clusters.ts';
export { Place } from './records/common.ts';
export * from './records/jobs.ts';
export * from './records/keeping.ts';
export * from './records/people.ts';
export type { RepairRule } from './records/repairs.ts';
export type { Backup } from './records-backup.ts';

/** Every kind with its schema. The kind's name is part of its key in the store. */
export const schemas = {
  cluster: Cluster,
  name: Name,
  provisioner: Provisioner,
  job: Job,
  approval: Approval,
  audit: Audit,
  person: Person,
  conversation: Conversation,
  channel: Channel,
  delivery: Delivery,
  message: Message,
  secret: Secret,
  health: Health,
  handout: Handout,
  claim: Claim,
  installation: Installation,
  watch: Watch,
  picture: StoredPicture,
  autoscale: Autoscale,
  notice: Notice,
  addonPin: AddonPin,
  registry: Registry,
  repairrule: RepairRule,
  backup: Backup,
  backupplan: BackupPlan,
};

export type Kind = keyof typeof schemas;
export type RecordOf<K extends Kind> = z.infer<(typeof schemas)[K]>;
export const kinds = Object.keys(schemas) as Kind[];

/** Kinds the watch cache keeps; the others are read by key alone. */
export const cachedKinds = [
  'cluster',
  'provisioner',
  'job',
  'approval',
  'person',
  'message',
  'health',
  'audit',
  'installation',
  'channel',
  'watch',
  'backup',
  'backupplan',
  'autoscale',
  'notice',
  'repairrule',
] as const satisfies Kind[];

/** Sorted indexes that the cache keeps for each kind; the first is the default order. Fields are paths of the record. */
export const sortKeys: { [K in Kind]?: string[] } = {
  cluster: ['name', 'createdAt', 'phase', 'provisionerName', 'ownerName', 'version'],
  provisioner: ['name', 'engine', 'state', 'createdAt'],
  job: ['requestedAt', 'state', 'clusterName'],
  approval: ['requestedAt', 'expiresAt'],
  audit: ['id'],
  person: ['name'],
  message: ['createdAt'],
  health: ['at'],
  installation: ['name'],
  backup: ['createdAt', 'clusterName', 'state'],
  backupplan: ['clusterName'],
};
