/** A Jenkins with its engine for each test of a file, and what such tests do with them. */
import { afterEach, beforeEach } from 'vitest';
import type { EngineClient, Observation, Target } from '../../src/core/ports/engine.ts';
import { eventually } from '../servers.ts';
import { callFor } from './calls.ts';
import { type JenkinsHarness, openJenkinsHarness } from './jenkins-harness.ts';

export interface JenkinsStage {
  readonly harness: JenkinsHarness;
  readonly client: EngineClient;
  /** A cluster that was never asked for. */
  aTarget(spec?: Record<string, unknown>): Target;
  /** One that has just been asked for. */
  made(spec?: Record<string, unknown>): Promise<Target>;
  /** One that runs. */
  running(spec?: Record<string, unknown>): Promise<Target>;
  reach(target: Target, state: Observation['state']): Promise<Observation>;
  /** Asks for the removal and gives the target with that operation. */
  removed(target: Target): Promise<Target>;
  /** The changes that were asked for, in order. */
  posts(): string[];
}

/** Opens the stage before each test and closes it afterwards. Call it once at the top of a file. */
export function jenkinsStage(): JenkinsStage {
  let harness: JenkinsHarness | undefined;
  let client: EngineClient | undefined;
  let count = 0;

  beforeEach(async () => {
    harness = await openJenkinsHarness({ createMs: 300 });
    client = await harness.engine.connect(harness.params);
  });
  afterEach(async () => {
    await client?.close();
    await harness?.close();
  });

  const stage: JenkinsStage = {
    get harness() {
      if (!harness) throw new Error('the harness is not open');
      return harness;
    },
    get client() {
      if (!client) throw new Error('the engine is not connected');
      return client;
    },
    aTarget(spec = stage.harness.spec) {
      count += 1;
      return { org: 'default', cluster: `c${count}`, externalName: `kq-stage-${count}`, spec };
    },
    async made(spec = stage.harness.spec) {
      const target = stage.aTarget(spec);
      const operation = await stage.client.create(target, spec, callFor());
      return { ...target, operation: operation.id };
    },
    async running(spec = stage.harness.spec) {
      const target = await stage.made(spec);
      const seen = await stage.reach(target, 'running');
      return { ...target, externalId: seen.externalId ?? '' };
    },
    reach: (target, state) =>
      eventually(`${target.externalName} is ${state}`, async () => {
        const seen = await stage.client.observe(target, callFor());
        return seen.state === state ? seen : null;
      }),
    async removed(target) {
      const operation = await stage.client.delete(target, callFor());
      return { ...target, operation: operation?.id ?? '' };
    },
    posts: () => stage.harness.server.seen.map(({ line }) => line).filter((line) => line.startsWith('POST')),
  };
  return stage;
}
