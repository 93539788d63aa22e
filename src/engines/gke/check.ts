import { Fault } from '../../core/errors.ts';
import type { Call, CheckResult } from '../../core/ports/engine.ts';
import type { Api } from './api.ts';
import type { Google } from './google.ts';
import { locationOf } from './seen.ts';

/** Signs in, lists the project's clusters and reads what a location has on offer: the least that a provisioner is good for. */
export async function checkProject(
  google: Google,
  api: Api,
  usual: string | undefined,
  call: Call,
): Promise<CheckResult> {
  try {
    const { clusters, missingZones } = await api.list('-', call);
    const first = clusters[0];
    const location = usual ?? (first ? locationOf(first) : undefined);
    const config = location ? await api.serverConfig(location, call) : null;
    const facts = [
      { label: 'Project', value: google.project },
      { label: 'Service account', value: google.account },
      { label: 'Clusters', value: String(clusters.length) },
    ];
    if (location) facts.push({ label: 'Location', value: location });
    if (config?.defaultClusterVersion) facts.push({ label: 'Default version', value: config.defaultClusterVersion });
    if (missingZones.length > 0)
      facts.push({ label: 'Zones that do not answer', value: missingZones.slice(0, 10).join(', ') });
    return { state: 'OK', message: `Google accepts the key, and the project ${google.project} can be used.`, facts };
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    // A check that was called off says nothing about Google.
    if (call.signal.aborted && Date.now() < call.deadline - 50) throw thrown;
    const passing = thrown.kind === 'unreachable' || thrown.kind === 'rate-limited';
    return {
      state: passing ? 'Unreachable' : 'Error',
      message: thrown.message,
      ...(thrown.next ? { next: thrown.next } : {}),
      facts: [],
    };
  }
}
