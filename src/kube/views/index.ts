import type { View } from '../operation.ts';
import { namespacesView } from './namespaces.ts';

const all: readonly View[] = [namespacesView];

/** Every look, by its name. */
export const views: Readonly<Record<string, View>> = Object.fromEntries(all.map((each) => [each.name, each]));
