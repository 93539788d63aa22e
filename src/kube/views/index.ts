import { checkView } from '../check/index.ts';
import type { View } from '../operation.ts';
import { accountsView } from './accounts.ts';
import { addonView, registryView } from './addons.ts';
import { appsView, appView } from './apps.ts';
import { deploymentsView } from './deployments.ts';
import { eventsView } from './events.ts';
import { imagesView } from './images.ts';
import { logsView } from './logs.ts';
import { namespacesView } from './namespaces.ts';
import { networkView } from './network.ts';
import { nodeListView } from './node-list.ts';
import { nodesView } from './nodes.ts';
import { podsView } from './pods.ts';
import { precheckView } from './precheck.ts';
import { servicesView } from './services.ts';
import { topologyView } from './topology.ts';
import { urlsView } from './urls.ts';
import { volumesView } from './volumes.ts';

const all: readonly View[] = [
  checkView,
  accountsView,
  deploymentsView,
  eventsView,
  imagesView,
  logsView,
  networkView,
  nodesView,
  nodeListView,
  podsView,
  servicesView,
  topologyView,
  urlsView,
  volumesView,
  namespacesView,
  appsView,
  appView,
  addonView,
  registryView,
  precheckView,
];

/** Every look, by its name. */
export const views: Readonly<Record<string, View>> = Object.fromEntries(all.map((each) => [each.name, each]));
