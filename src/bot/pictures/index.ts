/** Draws pictures in a thread of their own, which is started with the first one and ends when there has been none for a while. */
import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { Fault } from '../../core/errors.ts';
import type { Picture } from '../../core/picture.ts';
import { pictureSvg } from './svg.ts';
import type { Drawn, Grain, Order } from './worker.ts';

export type { Grain } from './worker.ts';

const idleMs = 60_000;
const drawMs = 20_000;
const mostKept = 20;

interface Thread {
  worker: Worker;
  waiting: Map<number, { resolve(png: Buffer): void; reject(fault: Fault): void }>;
  idle?: NodeJS.Timeout;
}

let thread: Thread | undefined;
let ordered = 0;
const kept = new Map<string, Promise<Buffer>>();

/** Twice as many pixels as units (the whole is 800 units wide): sharp on every screen. */
export const fine: Grain = { scale: 2, colours: 256 };
/** Half as large in bytes: where a picture has to fit into a message. */
export const small: Grain = { scale: 1, colours: 16 };

/** A picture as a PNG. Throws a Fault `internal`, never retryable, when it cannot be drawn. */
export function drawPicture(picture: Picture, grain: Grain = fine): Promise<Buffer> {
  const svg = pictureSvg(picture);
  const key = createHash('sha256').update(`${grain.scale} ${grain.colours} ${svg}`).digest('base64');
  const known = kept.get(key);
  if (known) return known;
  const made = order(svg, grain);
  kept.set(key, made);
  const [oldest] = kept.keys();
  if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest);
  made.catch(() => kept.delete(key));
  return made;
}

async function order(svg: string, grain: Grain): Promise<Buffer> {
  const running = thread ?? start();
  ordered += 1;
  const id = ordered;
  clearTimeout(running.idle);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  running.waiting.set(id, { resolve, reject });
  // Threads and timers are not referenced: a picture keeps no process alive.
  const late = setTimeout(() => stop(running, 'It took too long.'), drawMs).unref();
  running.worker.postMessage({ id, svg, ...grain } satisfies Order);
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    running.waiting.delete(id);
    if (running.waiting.size === 0)
      running.idle = setTimeout(() => stop(running, 'It was not needed.'), idleMs).unref();
  }
}

function start(): Thread {
  const worker = new Worker(new URL('./worker.ts', import.meta.url));
  worker.unref();
  const made: Thread = { worker, waiting: new Map() };
  worker.on('message', (drawn: Drawn) => {
    const asked = made.waiting.get(drawn.id);
    if ('png' in drawn) asked?.resolve(Buffer.from(drawn.png));
    else asked?.reject(undrawn(drawn.error));
  });
  worker.on('error', (error) => stop(made, String(error)));
  worker.on('exit', () => stop(made, 'The thread ended.'));
  thread = made;
  return made;
}

function stop(ending: Thread, why: string): void {
  if (thread === ending) thread = undefined;
  clearTimeout(ending.idle);
  for (const { reject } of ending.waiting.values()) reject(undrawn(why));
  void ending.worker.terminate();
}

function undrawn(detail: string): Fault {
  return new Fault('internal', 'A picture could not be drawn.', { detail, retryable: false });
}
