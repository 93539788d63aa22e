/** Everything that the composition needs of the store. */
export type { WatchCache } from './cache.ts';
export { openEmbeddedDriver } from './embedded.ts';
export type { EtcdOptions } from './etcd.ts';
export type { OpenedStore, StoreSettings, Upkeep } from './open.ts';
export { openConfiguredStore, openEmbedded, openEtcd } from './open.ts';
export type { ResealProgress } from './reseal.ts';
export type { RetentionTimes, SweepResult } from './retention.ts';
export type { KeyedSealer } from './seal.ts';
export { openSealer, parseSecretKeys, secretKey } from './seal.ts';
export type { SpaceLevel, SpaceStatus } from './space.ts';
export { openStore } from './store.ts';
