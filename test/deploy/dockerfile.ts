/** The Dockerfile as far as this one goes: stages of instructions, exec forms, one level of continued lines. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { root } from './compose-file.ts';

export interface Instruction {
  /** In capitals. */
  name: string;
  /** `--from=packages` as `from: packages`. */
  flags: Record<string, string>;
  /** The rest of the line. */
  text: string;
}

export interface Stage {
  base: string;
  name: string | null;
  instructions: Instruction[];
}

/** All stages in their order; the last one is the image. Throws on a line that is no instruction. */
export function readDockerfile(): Stage[] {
  const text = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: Stage[] = [];
  for (const line of lines) {
    const found = /^([A-Z]+)\s+((?:--[a-z-]+=\S+\s+)*)(.+)$/.exec(line);
    if (!found) throw new Error(`no instruction: ${line}`);
    const [, name = '', flags = '', rest = ''] = found;
    if (name === 'FROM') {
      const [base = '', , stage] = rest.split(/\s+/);
      stages.push({ base, name: stage ?? null, instructions: [] });
      continue;
    }
    const pairs = flags.trim() === '' ? [] : flags.trim().split(/\s+/);
    const read = pairs.map((flag) => flag.slice(2).split('=', 2) as [string, string]);
    const stage = stages.at(-1);
    if (!stage) throw new Error(`before the first FROM: ${line}`);
    stage.instructions.push({ name, flags: Object.fromEntries(read), text: rest.trim() });
  }
  return stages;
}

/** What Docker makes of the last stage. */
export interface Image {
  env: Record<string, string>;
  user: string;
  workdir: string;
  stopSignal: string;
  exposed: number[];
  command: string[];
  /** The command of the health check; its intervals are in `healthTimes`, in seconds. */
  health: string[];
  healthTimes: Record<string, string>;
  /** What is copied from the build context to where. */
  copies: { from: string; to: string }[];
}

const exec = z.array(z.string()).min(1);

export function imageOf(stage: Stage): Image {
  const texts = (name: string) => stage.instructions.filter((each) => each.name === name).map((each) => each.text);
  const only = (name: string) => {
    const [text, ...more] = texts(name);
    if (text === undefined || more.length > 0) throw new Error(`${name} should be there once`);
    return text;
  };
  const health = stage.instructions.find((each) => each.name === 'HEALTHCHECK');
  return {
    env: Object.fromEntries(
      texts('ENV').map((text) => {
        const at = text.indexOf('=');
        return [text.slice(0, at), text.slice(at + 1).replace(/^"(.*)"$/, '$1')];
      }),
    ),
    user: only('USER'),
    workdir: only('WORKDIR'),
    stopSignal: only('STOPSIGNAL'),
    exposed: texts('EXPOSE').map(Number),
    command: exec.parse(JSON.parse(only('CMD'))),
    health: exec.parse(JSON.parse(only('HEALTHCHECK').replace(/^CMD\s+/, ''))),
    healthTimes: health?.flags ?? {},
    copies: stage.instructions
      .filter((each) => each.name === 'COPY' && each.flags.from === undefined)
      .flatMap((each) => {
        const paths = each.text.split(/\s+/);
        const to = paths.pop() ?? '';
        return paths.map((from) => ({ from, to }));
      }),
  };
}
