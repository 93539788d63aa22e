import type { View } from '../operation.ts';
import { appsView, appView } from './apps.ts';
import { namespacesView } from './namespaces.ts';

const all: readonly View[] = [namespacesView, appsView, appView];

/** Every look, by its name. */
export const views: Readonly<Record<string, View>> = Object.fromEntries(all.map((each) => [each.name, each]));
