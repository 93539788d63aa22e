import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fieldsOf, readValues } from '../../src/core/schema.ts';
import { ManualCluster, ManualProvisioner, manual } from '../../src/engines/manual/index.ts';
import { callFor } from './calls.ts';
import { engineConformance } from './conformance.ts';
import { openManualHarness } from './manual-harness.ts';
import { type FaultName, faults, type Rule, rules, type Skips } from './rules.ts';

/** What can be asked of an engine that has no provider: what it says of itself. */
const applies: Rule[] = ['options-live', 'price-golden', 'schema-apart', 'schema-pure', 'engine-instead', 'sign-in'];

const reason = 'there is no provider: an imported cluster has its own API alone, which the engine never asks';
const skip: Skips = Object.fromEntries([
  ...(Object.keys(rules) as Rule[]).filter((rule) => !applies.includes(rule)).map((rule) => [rule, reason]),
  ...(Object.keys(faults) as FaultName[]).map((fault) => [fault, reason]),
]);

engineConformance({ name: 'manual', open: openManualHarness, skip });

const target = { org: 'default', cluster: 'c1', externalName: 'k.example', spec: {} };

describe('the engine of clusters that exist already', () => {
  it('says that it does not know instead of guessing, so that no sweep reads a cluster as gone', async () => {
    const client = await manual.connect({});
    expect(await client.observe(target, callFor())).toMatchObject({ state: 'unknown', mine: true });
    expect(await client.upgrades(target, callFor())).toEqual([]);
    await client.close();
  });

  it('is read-only unless an admin says otherwise, and takes no other word for it', async () => {
    expect(ManualProvisioner.parse({})).toEqual({ mode: 'read-only' });
    expect(readValues(ManualProvisioner, { mode: 'everything' })).toMatchObject({ ok: false });
    for (const [mode, may] of [
      ['read-only', 'look at them'],
      ['operate', 'operate them'],
    ]) {
      const client = await manual.connect({ mode });
      const checked = await client.check(callFor());
      expect(checked).toMatchObject({ state: 'OK', facts: [{ label: 'KQueen may', value: may }] });
    }
  });

  it('can do nothing at a provider, and says what to do instead in each case', () => {
    expect(Object.values(manual.capabilities).some((can) => can)).toBe(false);
    expect(Object.keys(manual.instead).sort()).toEqual(Object.keys(manual.capabilities).sort());
    expect(manual.instead.delete).toContain('cluster detach');
  });

  it('describes a cluster by its address, whether or not its nodes were seen', () => {
    expect(manual.describe({ server: 'https://k.example' })).toBe('Existing cluster at https://k.example');
    expect(manual.describe({ server: 'https://k.example', nodes: 1 })).toContain(', 1 node when imported');
    expect(manual.pools({ server: 'https://k.example' })).toEqual([]);
  });

  it('has words for every field, and a guide', () => {
    for (const field of [...fieldsOf(ManualProvisioner), ...fieldsOf(ManualCluster)]) {
      expect(field.label).toMatch(/^[A-Z]/);
      expect(field.help).toBeTruthy();
    }
    const guide = fileURLToPath(new URL(`../../${manual.docs}`, import.meta.url));
    expect(existsSync(guide)).toBe(true);
    expect(readFileSync(guide, 'utf8')).toContain('cluster import');
  });
});
