import type { Engine } from '../../core/ports/engine.ts';
export declare const sandbox: Engine;
