/** Looking at what is in a cluster, through its own API, for the person who asks. */
import type { Button, Card } from '../card.ts';
import type { Answer, Context } from '../command.ts';
import { clusterKubeconfig, hasKubeconfig } from '../connect.ts';
import { Fault } from '../errors.ts';
import type { Looked } from '../ports/work.ts';
import type { Cluster } from '../records.ts';
import { toCaller } from './common.ts';

/** The admin kubeconfig of a cluster that can be looked into now; else a Fault that says why not. */
export async function openToLook(context: Context, cluster: Cluster): Promise<string> {
  if (!hasKubeconfig(cluster, context.engines) || cluster.stopped) {
    const state = cluster.stopped ? 'it is stopped' : `it is ${cluster.phase}`;
    throw new Fault('conflict', `Cluster ${cluster.name} cannot be looked at now: ${state}.`, {
      next: `See cluster show ${cluster.name}.`,
    });
  }
  return clusterKubeconfig(context, cluster, { now: context.now, call: context.call(10_000) });
}

/** A look as a card of the cluster's name. Its file goes along where the chat takes files; there the card would be lost for it. */
export function lookedCard(context: Context, cluster: Cluster, seen: Looked, buttons: Button[]): Answer {
  const engine = context.engines.get(cluster.engine);
  const card: Card = {
    title: `${seen.title} in ${cluster.name}`,
    tone: seen.bad ? 'warn' : 'plain',
    text: seen.text,
    parts: seen.parts,
    buttons,
    ...(engine?.notice ? { footer: engine.notice } : {}),
  };
  const file = context.place.chat === 'teams' ? undefined : seen.file;
  return { ...toCaller(card), ...(file ? { files: [{ ...file, text: 'All of it.' }] } : {}) };
}
