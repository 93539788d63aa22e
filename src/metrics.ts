/** What Prometheus sees. No ids as labels: the page stays as small at ten thousand clusters as at ten. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Cache } from './core/ports/store.ts';

export interface Metrics {
  /** The page in Prometheus' text format, with its content type. */
  page(): Promise<{ type: string; body: string }>;
  command(name: string, outcome: string, ms: number): void;
  job(kind: string, result: string, seconds: number): void;
  tick(kind: string, result: string, seconds: number): void;
  engineCall(engine: string, call: string, result: string, seconds: number): void;
  chatCall(platform: string, call: string, result: string): void;
  queueDepth(depth: { waiting: number; delayed: number; active: number }): void;
}

/** Meters of one process; `cache` gives the counts of clusters at the moment of each scrape. */
export function openMetrics(cache: Cache, org: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const seconds = [0.005, 0.02, 0.1, 0.5, 1, 2.5, 10, 60, 300, 1_800, 7_200];
  const commands = new Counter({
    name: 'kqueen_commands_total',
    help: 'Commands by outcome',
    labelNames: ['command', 'outcome'],
    registers,
  });
  const answers = new Histogram({
    name: 'kqueen_command_seconds',
    help: 'Time to the answer of a command',
    labelNames: ['command'],
    buckets: seconds,
    registers,
  });
  const jobs = new Counter({
    name: 'kqueen_jobs_total',
    help: 'Ended jobs',
    labelNames: ['kind', 'result'],
    registers,
  });
  const durations = new Histogram({
    name: 'kqueen_job_seconds',
    help: 'Time from start to end of a job',
    labelNames: ['kind', 'result'],
    buckets: seconds,
    registers,
  });
  const ticks = new Histogram({
    name: 'kqueen_tick_seconds',
    help: 'Time of one tick',
    labelNames: ['kind', 'result'],
    buckets: seconds,
    registers,
  });
  const calls = new Histogram({
    name: 'kqueen_engine_call_seconds',
    help: 'Calls to providers',
    labelNames: ['engine', 'call', 'result'],
    buckets: seconds,
    registers,
  });
  const chat = new Counter({
    name: 'kqueen_chat_calls_total',
    help: 'Calls to chat platforms',
    labelNames: ['platform', 'call', 'result'],
    registers,
  });
  const depth = new Gauge({ name: 'kqueen_queue_depth', help: 'Ticks in the queue', labelNames: ['state'], registers });
  new Gauge({
    name: 'kqueen_clusters',
    help: 'Clusters by phase and engine',
    labelNames: ['phase', 'engine'],
    registers,
    collect() {
      this.reset();
      for (const { phase, engine } of cache.query('cluster', org, { limit: 1_000_000 }).items)
        this.inc({ phase, engine });
    },
  });
  new Gauge({
    name: 'kqueen_approvals_pending',
    help: 'Requests that wait for a decision',
    registers,
    collect() {
      this.set(cache.query('approval', org, { where: ({ state }) => state === 'pending', limit: 0 }).total);
    },
  });
  new Gauge({
    name: 'kqueen_cache_stale_seconds',
    help: 'How long the watch cache has been out of step with the store',
    registers,
    collect() {
      this.set(cache.staleMs() / 1_000);
    },
  });
  return {
    async page() {
      return { type: registry.contentType, body: await registry.metrics() };
    },
    command(name, outcome, ms) {
      commands.inc({ command: name, outcome });
      answers.observe({ command: name }, ms / 1_000);
    },
    job(kind, result, took) {
      jobs.inc({ kind, result });
      durations.observe({ kind, result }, took);
    },
    tick: (kind, result, took) => ticks.observe({ kind, result }, took),
    engineCall: (engine, call, result, took) => calls.observe({ engine, call, result }, took),
    chatCall: (platform, call, result) => chat.inc({ platform, call, result }),
    queueDepth(now) {
      for (const [state, value] of Object.entries(now)) depth.set({ state }, value);
    },
  };
}
