import { describe, expect, it } from 'vitest';
import { createLiveOptions } from '../../src/bot/live-options.ts';
import type { EngineClient, Options } from '../../src/core/ports/engine.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { sampleProvisioner } from '../jobs/samples.ts';
import { realClock } from '../store/clocks.ts';

/** Live options over a provider that answers as the test says. */
function over(answer: (given: Record<string, string>) => Promise<Options>) {
  const asked: Record<string, string>[] = [];
  const client = {
    options(given: Record<string, string>) {
      asked.push(given);
      return answer(given);
    },
  } as Partial<EngineClient> as EngineClient;
  const options = createLiveOptions({ connect: async () => client, clock: realClock, log: silentLog, patienceMs: 50 });
  return { asked, options };
}

const sizes = (...names: string[]): Options => ({
  choices: { size: names.map((value) => ({ value, label: value })) },
  prices: null,
  at: 0,
});

describe('live options', () => {
  it('keeps the answers for each value that choices depend on', async () => {
    const { asked, options } = over(async ({ location }) => sizes(location === 'north' ? 'small' : 'large'));
    const here = sampleProvisioner();
    expect((await options(here, { location: 'north' }))?.choices.size?.[0]?.value).toBe('small');
    expect((await options(here, { location: 'south' }))?.choices.size?.[0]?.value).toBe('large');
    expect((await options(here, { location: 'north' }))?.choices.size?.[0]?.value).toBe('small');
    expect(asked).toEqual([{ location: 'north' }, { location: 'south' }]);
  });

  it('asks anew when the parameters of the provisioner changed', async () => {
    const { asked, options } = over(async () => sizes('small'));
    await options(sampleProvisioner({ paramsVersion: 'a' }), {});
    await options(sampleProvisioner({ paramsVersion: 'b' }), {});
    expect(asked).toHaveLength(2);
  });

  it('does not make a person wait for a provider that hangs, and uses what it says later', async () => {
    let say = (_options: Options) => {};
    const { asked, options } = over(
      () =>
        new Promise((resolve) => {
          say = resolve;
        }),
    );
    expect(await options(sampleProvisioner(), {})).toBeNull();
    say(sizes('small'));
    expect((await options(sampleProvisioner(), {}))?.choices.size?.[0]?.value).toBe('small');
    expect(asked).toHaveLength(1);
  });

  it('is null when the provider fails, and asks again the next time', async () => {
    const { asked, options } = over(async () => {
      throw new Error('no');
    });
    expect(await options(sampleProvisioner(), {})).toBeNull();
    expect(await options(sampleProvisioner(), {})).toBeNull();
    expect(asked).toHaveLength(2);
  });
});
