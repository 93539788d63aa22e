/** Everything that `main.ts` needs of the store. */
export { openEmbeddedDriver } from './embedded.ts';
export { openSealer, parseSecretKeys, secretKey } from './seal.ts';
export { openStore } from './store.ts';
