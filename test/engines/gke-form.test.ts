import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { fieldsOf, readValues } from '../../src/core/schema.ts';
import { gke } from '../../src/engines/gke/index.ts';
import { openSignIn } from '../counterparts/google/sign-in.ts';

const signIn = openSignIn('kqueen-test-123456');
const keyFile = signIn.keyFile();

/** The problem at a field of the provisioner form, or undefined. */
function provisionerProblem(values: Record<string, string>, field: string): string | undefined {
  const read = readValues(gke.provisioner, values);
  return read.ok ? undefined : read.problems.find((problem) => problem.field === field)?.message;
}

/** The fields of the cluster form that are wrong. */
function problemsOf(spec: Record<string, string>): string[] {
  const read = readValues(gke.cluster, { location: 'europe-west3-a', ...spec });
  return read.ok ? [] : read.problems.map((problem) => problem.field).sort();
}

describe('the key of a GKE provisioner', () => {
  it('takes the file as Google writes it, and as a variable has spoilt its line ends', () => {
    expect(provisionerProblem({ serviceAccountKey: keyFile }, 'serviceAccountKey')).toBeUndefined();
    expect(provisionerProblem({ serviceAccountKey: `\uFEFF${keyFile}\n` }, 'serviceAccountKey')).toBeUndefined();
    const escaped = JSON.stringify({
      ...(JSON.parse(keyFile) as object),
      private_key: JSON.parse(keyFile).private_key.replaceAll('\n', '\\n'),
    });
    expect(provisionerProblem({ serviceAccountKey: escaped }, 'serviceAccountKey')).toBeUndefined();
  });

  it('names what was pasted instead, without a word of it', () => {
    const file = JSON.parse(keyFile) as Record<string, string>;
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const wrong: [string, RegExp][] = [
      ['hello', /not a JSON file/],
      [keyFile.slice(0, 900), /not complete/],
      [file.private_key ?? '', /private key alone/],
      [JSON.stringify({ type: 'authorized_user', refresh_token: 'canary' }), /a person's own login/],
      [JSON.stringify({ type: 'external_account' }), /workload identity federation/],
      [JSON.stringify({ installed: { client_secret: 'canary' } }), /OAuth client/],
      [JSON.stringify({ ...file, type: 'nonsense' }), /"type" is missing or wrong/],
      [JSON.stringify({ ...file, client_email: undefined }), /"client_email" is missing/],
      [JSON.stringify({ ...file, private_key: undefined }), /"private_key" is missing/],
      [
        JSON.stringify({ ...file, private_key: file.private_key?.slice(0, 700) }),
        /private key in this file cannot be read/,
      ],
      [JSON.stringify({ ...file, private_key: ec }), /private key in this file cannot be read/],
      ['[]', /"type" is missing/],
    ];
    for (const [text, pattern] of wrong) {
      const problem = provisionerProblem({ serviceAccountKey: text }, 'serviceAccountKey');
      expect(problem).toMatch(pattern);
      expect(problem).not.toContain('canary');
      expect(problem).not.toContain('MII');
    }
  });

  it('wants a project from somewhere, and the addresses of another cloud', () => {
    const without = JSON.stringify({ ...(JSON.parse(keyFile) as object), project_id: undefined });
    expect(provisionerProblem({ serviceAccountKey: without }, 'project')).toBeTruthy();
    expect(gke.provisioner.safeParse({ serviceAccountKey: without }).error?.issues).toMatchObject([
      { path: ['project'], message: expect.stringContaining('does not name a project') as string },
    ]);
    expect(provisionerProblem({ serviceAccountKey: without, project: 'my-project-1' }, 'project')).toBeUndefined();
    expect(provisionerProblem({ serviceAccountKey: keyFile, project: 'My Project' }, 'project')).toMatch(
      /id of the project/,
    );
    const other = JSON.stringify({ ...(JSON.parse(keyFile) as object), universe_domain: 's3nsapis.fr' });
    expect(provisionerProblem({ serviceAccountKey: other }, 'apiEndpoint')).toBeTruthy();
    expect(
      provisionerProblem(
        {
          serviceAccountKey: other,
          apiEndpoint: 'https://container.s3nsapis.fr',
          tokenUrl: 'https://oauth2.s3nsapis.fr/token',
        },
        'tokenUrl',
      ),
    ).toBeUndefined();
    expect(
      provisionerProblem({ serviceAccountKey: keyFile, apiEndpoint: 'http://elsewhere.example' }, 'apiEndpoint'),
    ).toMatch(/https/);
  });
});

describe('the form of a GKE cluster', () => {
  it('needs a location alone', () => {
    const read = readValues(gke.cluster, { location: 'europe-west3-a' });
    expect(read).toMatchObject({
      ok: true,
      value: { location: 'europe-west3-a', releaseChannel: 'REGULAR', autopilot: false },
    });
    expect(
      fieldsOf(gke.cluster)
        .filter((field) => field.required)
        .map((field) => field.key),
    ).toEqual(['location']);
    if (read.ok) {
      expect(gke.nodes(read.value)).toBe(3);
      expect(gke.describe(read.value)).toBe('3 × e2-standard-2 in europe-west3-a, Kubernetes of the channel REGULAR');
    }
  });

  it('refuses formats and ranges at their field', () => {
    const wrong: [Record<string, string>, string][] = [
      [{ location: 'Frankfurt' }, 'location'],
      [{ version: 'latest' }, 'version'],
      [{ version: '2.1' }, 'version'],
      [{ nodes: '0' }, 'nodes'],
      [{ nodes: '1001' }, 'nodes'],
      [{ nodes: '2.5' }, 'nodes'],
      [{ machineType: 'E2 Standard' }, 'machineType'],
      [{ diskGb: '5' }, 'diskGb'],
      [{ diskType: 'floppy' }, 'diskType'],
      [{ maxPodsPerNode: '500' }, 'maxPodsPerNode'],
      [{ clusterCidr: '10.0.0.1/14' }, 'clusterCidr'],
      [{ clusterCidr: '10.300.0.0/14' }, 'clusterCidr'],
      [{ clusterCidr: '/30' }, 'clusterCidr'],
      [{ servicesCidr: 'nonsense' }, 'servicesCidr'],
      [{ maintenanceStart: '25:00' }, 'maintenanceStart'],
      [{ addons: 'http-load-balancing,rockets' }, 'addons'],
      [{ network: 'Not A Network' }, 'network'],
      [{ nodeServiceAccount: 'nobody' }, 'nodeServiceAccount'],
      [{ releaseChannel: 'FAST' }, 'releaseChannel'],
      [{ nodeZones: 'europe-west3' }, 'nodeZones'],
      [{ nodeZones: 'europe-west3-a,europe-west3-a' }, 'nodeZones'],
    ];
    for (const [spec, field] of wrong) expect(problemsOf(spec), JSON.stringify(spec)).toEqual([field]);
    for (const spec of [
      { clusterCidr: '/14', servicesCidr: '10.30.0.0/20' },
      { version: '1.34' },
      { version: '1.34.2-gke.1042000' },
      {
        network: 'projects/host-1/global/networks/shared',
        subnetwork: 'projects/host-1/regions/europe-west3/subnetworks/a',
      },
      { addons: 'none' },
      { location: 'us-central1-ai1a' },
      { location: 'northamerica-northeast1' },
    ]) {
      expect(problemsOf(spec), JSON.stringify(spec)).toEqual([]);
    }
  });

  it('holds fields together', () => {
    const region = { location: 'europe-west3' };
    expect(problemsOf({ ...region, nodes: '4' })).toEqual(['nodes']);
    expect(problemsOf({ ...region, nodes: '6' })).toEqual([]);
    expect(problemsOf({ ...region, nodes: '4', nodeZones: 'europe-west3-a,europe-west3-b' })).toEqual([]);
    expect(problemsOf({ nodeZones: 'europe-west4-a' })).toEqual(['nodeZones']);
    expect(problemsOf({ nodeZones: 'europe-west3-b' })).toEqual(['nodeZones']);
    expect(problemsOf({ autoscaleMin: '1' })).toEqual(['autoscaleMax']);
    expect(problemsOf({ autoscaleMin: '5', autoscaleMax: '2' })).toEqual(['autoscaleMax']);
    expect(problemsOf({ autoscaleMin: '1', autoscaleMax: '5', nodes: '9' })).toEqual(['nodes']);
    expect(problemsOf({ ...region, autoscaleMin: '0', autoscaleMax: '2' })).toEqual(['autoscaleMax']);
    expect(problemsOf({ networkPolicy: 'calico', nodes: '1' })).toEqual(['nodes']);
    expect(problemsOf({ clusterCidr: '10.0.0.0/14', servicesCidr: '10.2.0.0/20' })).toEqual(['servicesCidr']);
  });

  it('leaves nodes to Autopilot', () => {
    const autopilot = { location: 'europe-west3', autopilot: 'yes' };
    expect(problemsOf(autopilot)).toEqual([]);
    expect(problemsOf({ ...autopilot, nodes: '3', machineType: 'e2-standard-2', spot: 'yes' })).toEqual([
      'machineType',
      'nodes',
      'spot',
    ]);
    expect(problemsOf({ autopilot: 'yes' })).toEqual(['location']);
    expect(problemsOf({ ...autopilot, releaseChannel: 'none' })).toEqual(['releaseChannel']);
    const spec = { location: 'europe-west3', autopilot: true };
    expect(gke.pools(spec)).toEqual([]);
    expect(gke.describe(spec)).toBe('Autopilot in europe-west3, Kubernetes of the channel REGULAR');
    expect(gke.price(spec, { currency: 'USD', sizes: {}, controlPlane: 0.1 })).toBeNull();
    expect(() => gke.after(spec, { nodes: 3 })).toThrow(/Autopilot/);
  });
});

describe('what an update makes of a GKE cluster', () => {
  const zonal = { location: 'europe-west3-a', nodes: 3, version: '1.33.6-gke.1130000' };
  const refusedField = (work: () => unknown) => {
    try {
      work();
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.kind === 'bad-input') return thrown.field;
    }
    return undefined;
  };

  it('changes nodes, bounds and version', () => {
    expect(gke.nodes(gke.after(zonal, { nodes: 5 }))).toBe(5);
    expect(gke.nodes(gke.after(zonal, { nodes: 0 }))).toBe(0);
    expect(gke.after(zonal, { version: '1.34.2-gke.1042000' }).version).toBe('1.34.2-gke.1042000');
    const scaled = gke.after(zonal, { autoscale: { min: 1, max: 4 } });
    expect(gke.pools(scaled)).toMatchObject([{ name: 'default-pool', autoscale: { min: 1, max: 4 } }]);
    expect(gke.describe(scaled)).toContain('by itself 1 to 4');
    const fixed = gke.after(scaled, { autoscale: null, nodes: 2 });
    expect(gke.pools(fixed)).toMatchObject([{ nodes: 2, bounds: { min: 0 } }]);
    expect(Object.keys(fixed)).not.toContain('autoscaleMin');
  });

  it('refuses what cannot be, at its field', () => {
    expect(refusedField(() => gke.after(zonal, { version: '1.32' }))).toBe('version');
    expect(refusedField(() => gke.after(zonal, { version: 'newest' }))).toBe('version');
    expect(refusedField(() => gke.after(zonal, { nodes: -1 }))).toBe('nodes');
    expect(refusedField(() => gke.after({ ...zonal, location: 'europe-west3' }, { nodes: 4 }))).toBe('nodes');
    expect(refusedField(() => gke.after(zonal, { autoscale: { min: 5, max: 1 } }))).toBe('autoscaleMax');
    const scaled = gke.after(zonal, { autoscale: { min: 1, max: 4 } });
    expect(refusedField(() => gke.after(scaled, { nodes: 2 }))).toBe('nodes');
    // An alias stands for every version that begins with it.
    expect(refusedField(() => gke.after(zonal, { version: '1.33' }))).toBeUndefined();
  });

  it('knows the pools of a cluster that was made elsewhere', () => {
    const adopted = {
      location: 'europe-west3-a',
      pools: [
        { name: 'web', nodes: 2, size: 'e2-standard-2' },
        { name: 'jobs', nodes: 1, size: 'c3-standard-4', autoscale: { min: 0, max: 5 } },
      ],
    };
    expect(gke.nodes(adopted)).toBe(3);
    const after = gke.after(adopted, { nodes: 4 });
    expect(gke.pools(after).map(({ name, nodes }) => [name, nodes])).toEqual([
      ['web', 4],
      ['jobs', 1],
    ]);
    expect(refusedField(() => gke.after(adopted, { pool: 'jobs', nodes: 2 }))).toBe('nodes');
    expect(gke.pools(gke.after(zonal, { pool: 'more', nodes: 2 })).map((pool) => pool.name)).toEqual([
      'default-pool',
      'more',
    ]);
  });

  it('prices by region, and spot machines by their own entry', () => {
    const prices = {
      currency: 'EUR',
      controlPlane: 0.1,
      sizes: { 'e2-standard-2': 0.07, 'e2-standard-2-spot': 0.02 },
      regions: { 'europe-west3': { 'e2-standard-2': 0.08 } },
    };
    expect(gke.price({ location: 'europe-west3', nodes: 3 }, prices)).toMatchObject({ perHour: 0.34, currency: 'EUR' });
    expect(gke.price({ location: 'us-central1-a', nodes: 2 }, prices)?.perHour).toBe(0.24);
    expect(gke.price({ location: 'us-central1-a', nodes: 2, spot: true }, prices)?.perHour).toBe(0.14);
    expect(gke.price({ location: 'us-central1-a', machineType: 'n2-standard-2' }, prices)).toBeNull();
  });
});
