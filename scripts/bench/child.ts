/** Programs that a measurement runs in processes of their own, and how they are asked. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** One such program: each question gets one answer, in order. */
export interface Child {
  pid: number;
  ask<T>(question: Record<string, unknown>): Promise<T>;
  end(): Promise<void>;
}

/** Starts a program of this folder; it ends with this process, however that ends. */
export async function startChild(program: string, given: Record<string, unknown>): Promise<Child> {
  const running = fork(join(import.meta.dirname, program), [], { serialization: 'advanced' });
  const exited = once(running, 'exit');
  const gone = exited.then(() => Promise.reject(new Error(`${program} ended.`)));
  gone.catch(() => undefined);
  let last: Promise<unknown> = Promise.resolve();
  async function answer(question: Record<string, unknown>): Promise<unknown> {
    running.send(question);
    const [said] = (await Promise.race([once(running, 'message'), gone])) as [{ ok?: unknown; error?: string }];
    if (said.error !== undefined) throw new Error(said.error);
    return said.ok;
  }
  const child: Child = {
    pid: running.pid ?? 0,
    ask<T>(question: Record<string, unknown>) {
      const asked = last.then(() => answer(question));
      last = asked.catch(() => undefined);
      return asked as Promise<T>;
    },
    async end() {
      if (running.exitCode === null && running.signalCode === null) running.kill('SIGKILL');
      await exited;
    },
  };
  await child.ask({ begin: given });
  return child;
}

type Answers = (question: Record<string, unknown>) => unknown;

/** The other end: `begin` gets what the program was given, and answers everything that comes after. */
export function serveChild(begin: (given: Record<string, unknown>) => Promise<Answers>): void {
  let answers: Answers | undefined;
  process.on('disconnect', () => process.exit(0));
  process.on('message', async (question: Record<string, unknown>) => {
    try {
      if (question.begin === undefined) process.send?.({ ok: await answers?.(question) });
      else {
        answers = await begin(question.begin as Record<string, unknown>);
        process.send?.({ ok: null });
      }
    } catch (error) {
      process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
}
