import type { CoreV1Event } from '@kubernetes/client-node';
import { count } from '../../core/words.ts';
import { eachObject } from '../client.ts';
import type { Talk, View } from '../operation.ts';
import { ageOf, demandNamespace, listed } from './listing.ts';

/** Gives every event of a namespace, or with '' of all, to `each`. */
export function eachEvent({ client }: Talk, namespace: string, each: (event: CoreV1Event) => void): Promise<void> {
  return eachObject(
    (page) =>
      namespace === ''
        ? client.core.listEventForAllNamespaces(page)
        : client.core.listNamespacedEvent({ ...page, namespace }),
    each,
  );
}

/** When an event was last seen, epoch milliseconds: newer writers leave the older fields empty. */
export function lastSeen(event: CoreV1Event): number {
  const at =
    event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata?.creationTimestamp;
  return at ? new Date(at).getTime() : 0;
}

/** Most events that are kept; the API server forgets them after an hour. */
const mostEvents = 2_000;

/** What happened in a cluster in the last hour or so, newest first. */
export const eventsView: View = {
  name: 'events',
  async look(talk, args) {
    const { namespace = '' } = args;
    await demandNamespace(talk, namespace);
    let all: { at: number; warning: boolean; cells: string[] }[] = [];
    const newest = () => all.sort((a, b) => b.at - a.at).slice(0, mostEvents);
    await eachEvent(talk, namespace, (event) => {
      const { involvedObject: about, message = '', reason = '', type = '' } = event;
      const at = lastSeen(event);
      const times = event.series?.count ?? event.count ?? 1;
      const where = about.namespace ? `${about.namespace}/` : '';
      all.push({
        at,
        warning: type === 'Warning',
        cells: [
          `${ageOf(talk.now(), new Date(at))} ago`,
          type,
          `${about.kind ?? ''} ${where}${about.name ?? ''}`,
          times > 1 ? `${reason}, ${times} times` : reason,
          message,
        ],
      });
      if (all.length >= mostEvents * 2) all = newest();
    });
    all = newest();
    const warnings = all.filter(({ warning }) => warning).length;
    return listed(args, {
      ...{ view: 'events', one: 'event', columns: ['Seen', 'Type', 'About', 'Reason', 'Message'] },
      rows: all.map(({ cells }) => cells),
      ...(warnings > 0 ? { sum: `${count(warnings, 'warning')} among the last ${count(all.length, 'event')}.` } : {}),
    });
  },
};
