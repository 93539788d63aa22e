import { openAksHarness } from './aks-harness.ts';
import { engineConformance } from './conformance.ts';

engineConformance({ name: 'aks', open: openAksHarness });
