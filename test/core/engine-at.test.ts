import { afterEach, beforeEach, expect, test } from 'vitest';
import { sampleCluster } from '../store/parts.ts';
import { clusterChanges, openStage, people, provisionerRecord, type Stage } from './stage.ts';

/** The provisioner's jobs beside those that every one has. */
const jobs = { provisionJob: 'kube/make', deprovisionJob: 'kube/remove' };

let stage: Stage;
beforeEach(async () => {
  stage = await openStage({});
  const url = 'https://127.0.0.1:1';
  await stage.put(
    ...provisionerRecord('bare', { engine: 'jenkins', params: { url, ...jobs } }),
    ...provisionerRecord('scales', { engine: 'jenkins', params: { url, ...jobs, scaleJob: 'kube/scale' } }),
    ...provisionerRecord('all', {
      engine: 'jenkins',
      params: { url, ...jobs, scaleJob: 'kube/scale', upgradeJob: 'kube/upgrade' },
    }),
    ...['bare', 'scales', 'all'].flatMap((provisioner) =>
      clusterChanges(
        sampleCluster(`c-${provisioner}`, {
          ...{ name: `${provisioner}-1`, provisioner, provisionerName: provisioner, engine: 'jenkins' },
          ...{ owner: people.dev.id, purpose: 'development' },
        }),
      ),
    ),
  );
});
afterEach(() => stage.close());

test.each([
  ['bare', []],
  ['scales', ['Scale']],
  ['all', ['Scale', 'Upgrade']],
])('a provisioner of Jenkins with the jobs of "%s" has the buttons that they allow', async (provisioner, wanted) => {
  for (const line of [`cluster show ${provisioner}-1`, `about ${provisioner}-1`]) {
    const answer = await stage.say('dev', line);
    const labels = answer.card?.buttons.map(({ label }) => label) ?? [];
    expect(
      labels.filter((label) => label === 'Scale' || label === 'Upgrade'),
      line,
    ).toEqual(wanted);
  }
});

test('a typed change that the provisioner has no job for is told in one line, with who can mend it', async () => {
  const scale = await stage.say('dev', 'cluster scale bare-1 nodes=4');
  expect(scale.card?.text).toMatch(/no job that changes the number of nodes.*provisioner edit.*scaleJob/);
  const upgrade = await stage.say('dev', 'cluster upgrade scales-1 version=1.35.0');
  expect(upgrade.card?.text).toMatch(/no job that upgrades Kubernetes.*upgradeJob/);
});
