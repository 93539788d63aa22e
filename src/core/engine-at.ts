import type { Capabilities, Engine, Engines } from './ports/engine.ts';
import type { Cache } from './ports/store.ts';
import type { Cluster } from './records.ts';

/**
 * The engine of a cluster or job with what it can do at its very provisioner: capabilities that this one is not set up for are off, and `instead`
 * says why. Undefined for an engine that is not allowed here.
 */
export function engineAt(
  { engines, cache }: { engines: Pick<Engines, 'get'>; cache: Pick<Cache, 'get'> },
  { org, engine, provisioner }: Pick<Cluster, 'org' | 'engine' | 'provisioner'>,
): Engine | undefined {
  const found = engines.get(engine);
  const record = found?.lacks ? cache.get({ kind: 'provisioner', org, id: provisioner }) : undefined;
  return found && record ? asSetUp(found, record.params) : found;
}

/** The same for a provisioner with these parameters. */
export function asSetUp(engine: Engine, params: Record<string, unknown>): Engine {
  const lacks = engine.lacks?.(params) ?? {};
  const keys = Object.keys(lacks) as (keyof Capabilities)[];
  if (keys.length === 0) return engine;
  const off: Partial<Capabilities> = Object.fromEntries(keys.map((key) => [key, false]));
  return { ...engine, capabilities: { ...engine.capabilities, ...off }, instead: { ...engine.instead, ...lacks } };
}
