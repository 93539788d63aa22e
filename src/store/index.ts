/** Everything that the composition needs of the store. */
export type { OpenedStore, StoreSettings } from './open.ts';
export { openConfiguredStore } from './open.ts';
