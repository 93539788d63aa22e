import { z } from 'zod';
import { plainCard } from '../card.ts';
import type { Command } from '../command.ts';
import { scheduleText } from '../digest.ts';
import { Fault } from '../errors.ts';
import { field } from '../schema.ts';
import { channelRef } from '../which.ts';
import { findCluster, toCaller } from './common.ts';
import { changeChannel, notifyText } from './notify.ts';

/** What this conversation is set to. */
export const channel: Command = {
  name: 'channel',
  aliases: ['channel show'],
  summary: 'What this conversation is set to',
  examples: ['channel'],
  group: 'KQueen',
  policy: 'kqueen:read',
  changes: false,
  args: z.object({}),
  positional: [],
  async run(context) {
    const { cache, caller, place } = context;
    const set = cache.get(channelRef(caller.org, place));
    const cluster = set?.cluster && cache.get({ kind: 'cluster', org: caller.org, id: set.cluster });
    const meant = cluster
      ? `Who asks about a cluster here without a name means ${cluster.name}. Changes always want a name.`
      : 'No cluster is set for this conversation, so one is named or chosen.';
    const told = set?.notify ? notifyText(set.notify) : 'The health of clusters that were asked for here is told here.';
    const digest = set?.digest ? `A digest comes here ${scheduleText(set.digest)}.` : 'No digest is sent here.';
    return toCaller(
      plainCard('This conversation', [meant, told, digest].join('\n'), 'plain', [
        { label: 'Notifications', command: 'notify' },
        { label: 'Digest', command: 'digest' },
      ]),
    );
  },
};

/** Sets the cluster that is looked at when none is named in this conversation. */
export const channelDefault: Command = {
  name: 'channel default',
  aliases: ['channel set'],
  summary: 'The cluster that is meant here when none is named',
  examples: ['channel default dev-1', 'channel default none'],
  group: 'KQueen',
  policy: 'channel:set',
  changes: true,
  args: z.object({
    name: field(z.string().trim().min(1), {
      label: 'Cluster',
      help: 'Its name, or none.',
      example: 'dev-1',
      order: 1,
    }),
  }),
  positional: ['name'],
  async run(context, values) {
    const { caller, place, store } = context;
    const none = values.name?.toLowerCase() === 'none';
    const cluster = none ? undefined : (await findCluster(context, values.name ?? '')).record;
    const ref = channelRef(caller.org, place);
    const before = await store.get(ref);
    if (none && before?.record.cluster === undefined) {
      throw new Fault('conflict', 'No cluster is set for this conversation.', { field: 'name' });
    }
    const says = cluster
      ? `Who asks about a cluster here without a name means ${cluster.name} from now on.`
      : 'A cluster is named or chosen here from now on.';
    return changeChannel(context, { action: 'channel.default', subject: cluster?.name ?? 'none', says }, (known) => {
      const { cluster: _cluster, ...rest } = known;
      return cluster ? { ...rest, cluster: cluster.id } : rest;
    });
  },
};
