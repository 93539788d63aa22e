/** What a backup without Secrets would lack. */
import { isObject, objectAt } from '../apply/manifests.ts';
import type { Talk } from '../operation.ts';
import { eachListed, metadataOnly } from '../views/pages.ts';
import { baseOf, resourceName, type Served, statusOf } from './discovery.ts';
import { secretsOf } from './needs.ts';
import { outOfScope, whyLeft } from './strip.ts';
import { addLeftSecret, addNeed, noTally } from './tally.ts';

const workloads = [
  ...['deployments.apps', 'statefulsets.apps', 'daemonsets.apps', 'cronjobs.batch', 'jobs.batch'],
  ...['ingresses.networking.k8s.io', 'serviceaccounts'],
];

/** How many Secrets there are, and which workloads need some of them. Read for at most a few seconds: the backup itself counts all. */
export async function needsWithout(
  talk: Talk,
  taken: readonly Served[],
  namespaces: readonly string[],
): Promise<{ secrets: number; needed: Record<string, string[]> }> {
  const tally = structuredClone(noTally);
  const until = Math.min(Date.now() + 4_000, talk.call.deadline - 2_000);
  const all = taken.filter((each) => ['secrets', ...workloads].includes(resourceName(each)));
  for (const served of all) {
    if (Date.now() > until) break;
    const names = served.plural === 'secrets';
    try {
      await eachListed(
        talk,
        `${baseOf(served)}/${served.plural}`,
        (item) => {
          if (!isObject(item)) return;
          const metadata = objectAt(item, 'metadata');
          if (names) {
            const token = objectAt(metadata, 'annotations')['kubernetes.io/service-account.name'] !== undefined;
            if (!token && outOfScope(served, item, namespaces) === null) addLeftSecret(tally, metadata);
          } else if (whyLeft(served, item, namespaces) === null) {
            const kind = { ...item, kind: served.kind };
            for (const secret of secretsOf(kind))
              addNeed(tally, `${String(metadata.namespace)}/${secret}`, `${served.kind} ${String(metadata.name)}`);
          }
        },
        names ? metadataOnly : undefined,
      );
    } catch (thrown) {
      if (statusOf(thrown) !== 403 && statusOf(thrown) !== 404) throw thrown;
    }
  }
  return { secrets: tally.secretsLeft, needed: tally.needed };
}
