/** Home, shortcuts and links in a whole KQueen that workspaces have installed, over HTTP and through Socket Mode. */
import { afterEach, describe, expect, test } from 'vitest';
import { clusterChanges, org } from '../core/stage.ts';
import { words } from '../counterparts/slack/index.ts';
import { type InstallStage, openInstallStage } from '../install/stage.ts';
import { sampleCluster } from '../store/parts.ts';

let stage: InstallStage;
afterEach(async () => {
  await stage.close();
  expect(stage.cloud.violations).toEqual([]);
});

describe.each(['http', 'socket'] as const)('by %s', (mode) => {
  test('each workspace has homes of its own people, who see the same fleet', async () => {
    stage = await openInstallStage({ mode });
    await stage.install('T1', 'U1');
    await stage.install('T2', 'U1');
    const { store, cache } = stage.kqueen;
    await store.commit(clusterChanges(sampleCluster('dev-1', { name: 'dev-1', owner: 'slack:T1:U1', org })));
    const [first, second] = [stage.cloud.workspace('T1'), stage.cloud.workspace('T2')];
    await first.until(() => cache.query('cluster', org).total === 1, 5_000, 'the cluster in memory');
    await first.user('U1').openHome();
    await second.user('U1').openHome();
    const shown = (slack: typeof first) => JSON.stringify(slack.home('U1')?.blocks ?? '');
    await first.until(() => /Home of ada/.test(shown(first)), 5_000, 'the first home');
    await first.until(() => /Home of linus/.test(shown(second)), 5_000, 'the second home');
    expect(shown(first)).toMatch(/You have 1 cluster/);
    expect(shown(second)).toMatch(/You have no clusters/);
    expect(shown(second)).toMatch(/0 of 1 cluster healthy/);

    await second.user('U1').shortcut('kqueen.clusters');
    await second.until(() => second.user('U1').view, 5_000, 'a modal');
    // Whoever installed it has been greeted by that.
    for (const slack of [first, second]) {
      const said = slack.messages(slack.user('U1').dm).map(words);
      expect(said.filter((each) => /KQueen is installed/.test(each))).toHaveLength(1);
      expect(said.filter((each) => /I am KQueen/.test(each))).toHaveLength(0);
    }
    await second.user('U3').openHome('messages');
    await second.sees(second.user('U3').dm, /Hello mel, I am KQueen/);

    const page = await fetch(`${stage.kqueen.url}/c/dev-1`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('cluster show dev-1');
    expect(stage.kqueen.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
