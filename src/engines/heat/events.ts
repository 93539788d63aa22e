import type { Call } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import type { Api } from './api.ts';
import { stackPath } from './template.ts';
import { EventsAnswer, readAnswer, type Stack } from './wire.ts';

/** The newest events that are read; Heat itself keeps about a thousand of a stack. */
const mostEvents = 2_000;
/** Among which the reason of a roll-back is looked for. */
const recentEvents = 200;
const longestLog = 1024 * 1024;
const longestReason = 1_000;

type Event = ReturnType<typeof EventsAnswer.parse>['events'][number];

/** The newest events first; none when Heat has forgotten the stack. */
async function newest(api: Api, stack: Stack, limit: number, call: Call): Promise<Event[]> {
  const path = `${stackPath(stack.stack_name, stack.id)}/events`;
  const query = { sort_dir: 'desc', limit };
  // Of a stack that has no resources left (rolled back, deleted) Heat lists nothing at all when nested events are asked for.
  for (const nested of [{ nested_depth: 2 }, {}]) {
    const answer = await api.heat({ path, query: { ...query, ...nested } }, call);
    const events = answer.status === 404 ? [] : readAnswer(EventsAnswer, answer.body).events;
    if (events.length > 0) return events;
  }
  return [];
}

/**
 * Why a stack was rolled back, in the words of the resource that failed: the resources themselves no longer tell. Null when the events do not
 * say it, either.
 */
export async function lastFailure(
  api: Api,
  stack: Stack,
  call: Call,
): Promise<{ resource: string; reason: string } | null> {
  for (const event of await newest(api, stack, recentEvents, call)) {
    const reason = event.resource_status_reason?.trim() ?? '';
    const resource = event.resource_name ?? '';
    if (!/_FAILED$/.test(event.resource_status ?? '') || reason === '' || resource === stack.stack_name) continue;
    return { resource, reason };
  }
  return null;
}

/** What happened to a stack and to those that it is made of, a line an event, the newest last; null when Heat has forgotten. */
export async function eventLog(api: Api, stack: Stack, secrets: readonly string[], call: Call): Promise<string | null> {
  const events = await newest(api, stack, mostEvents, call);
  if (events.length === 0) return null;
  const lines = events.toReversed().map((event) => {
    const home = /\/stacks\/([^/]+)\//.exec(event.links.find(({ rel }) => rel === 'stack')?.href ?? '')?.[1];
    const where = home && home !== stack.stack_name ? `${home}/` : '';
    const reason = oneLine(event.resource_status_reason ?? '', secrets, longestReason);
    return `${event.event_time ?? ''} ${event.resource_status ?? ''} ${where}${event.resource_name ?? ''} ${reason}`.trim();
  });
  const text = lines.join('\n');
  return text.length > longestLog ? text.slice(-longestLog).replace(/^[^\n]*\n/, '') : text;
}
