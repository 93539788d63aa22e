import { engineConformance } from './conformance.ts';
import { openHeatHarness } from './heat-harness.ts';

engineConformance({ name: 'heat', open: openHeatHarness });
