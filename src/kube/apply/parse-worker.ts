/** Reads large manifests beside the event loop, which they would hold for seconds. */
import { parentPort, workerData } from 'node:worker_threads';
import { Fault } from '../../core/errors.ts';
import { readManifests } from './manifests.ts';

/** What comes back: the manifests, or why there are none. */
export type Parsed =
  | { manifests: ReturnType<typeof readManifests> }
  | { refused: { message: string; next: string | undefined } };

function read(text: string): Parsed {
  try {
    return { manifests: readManifests(text) };
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    return { refused: { message: thrown.message, next: thrown.next } };
  }
}

parentPort?.postMessage(read(String(workerData)));
