import type { Call } from '../../core/ports/engine.ts';
import { oneLine } from '../scrub.ts';
import type { Api } from './api.ts';
import { stackPath } from './template.ts';
import { EventsAnswer, readAnswer, type Stack } from './wire.ts';

/** The newest events that are read; Heat itself keeps about a thousand of a stack. */
const mostEvents = 2_000;
const longestLog = 1024 * 1024;
const longestReason = 1_000;

/** What happened to a stack and to those that it is made of, a line an event, the newest last; null when Heat has forgotten. */
export async function eventLog(api: Api, stack: Stack, secrets: readonly string[], call: Call): Promise<string | null> {
  const path = `${stackPath(stack.stack_name, stack.id)}/events`;
  const query = { nested_depth: 2, sort_dir: 'desc', limit: mostEvents };
  const answer = await api.heat({ path, query }, call);
  if (answer.status === 404) return null;
  const { events } = readAnswer(EventsAnswer, answer.body);
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
