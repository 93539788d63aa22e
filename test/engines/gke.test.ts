import { engineConformance } from './conformance.ts';
import { openGkeHarness } from './gke-harness.ts';

engineConformance({ name: 'gke', open: openGkeHarness });
