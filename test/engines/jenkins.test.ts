import { engineConformance } from './conformance.ts';
import { openJenkinsHarness } from './jenkins-harness.ts';

engineConformance({
  name: 'jenkins',
  open: openJenkinsHarness,
  skip: {
    'error-quota':
      'Jenkins has no quota; what its jobs run into is the sentence of a failed build (tested in jenkins-builds.test.ts)',
  },
});
