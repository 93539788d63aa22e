/** The thread that draws: SVG in, PNG out, one at a time, so that no answer in a chat waits for a picture. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { encodePng } from './png.ts';

/** How large and how fine a picture is: pixels a unit, and colours at most. */
export interface Grain {
  scale: number;
  colours: 16 | 256;
}

/** What is asked of the thread. */
export interface Order extends Grain {
  id: number;
  svg: string;
}

export type Drawn = { id: number; png: Uint8Array } | { id: number; error: string };

const found = createRequire(import.meta.url);

async function open(): Promise<Uint8Array[]> {
  await initWasm(await readFile(found.resolve('@resvg/resvg-wasm/index_bg.wasm')));
  const files = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'];
  return Promise.all(files.map((name) => readFile(found.resolve(`dejavu-fonts-ttf/ttf/${name}`))));
}

const opened = open();
// Told with each order that fails of it.
opened.catch(() => undefined);

async function draw({ id, svg, scale, colours }: Order): Promise<Drawn> {
  try {
    const fontBuffers = await opened;
    const drawing = new Resvg(svg, {
      fitTo: { mode: 'zoom', value: scale },
      font: { fontBuffers, defaultFontFamily: 'DejaVu Sans', loadSystemFonts: false },
    });
    const image = drawing.render();
    const png = encodePng(image.pixels, image.width, image.height, colours);
    image.free();
    drawing.free();
    return { id, png };
  } catch (thrown) {
    return { id, error: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

parentPort?.on('message', (order: Order) => {
  void draw(order).then((drawn) => parentPort?.postMessage(drawn));
});
