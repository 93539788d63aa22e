import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fieldsOf, readValues } from '../../src/core/schema.ts';
import { overlap, readCidr, writeAddress } from '../../src/engines/aks/cidr.ts';
import { cloudOf, sameAuthority } from '../../src/engines/aks/clouds.ts';
import { aks } from '../../src/engines/aks/index.ts';
import { dnsAddressOf } from '../../src/engines/aks/rules.ts';
import { sshKeyProblem } from '../../src/engines/aks/ssh-key.ts';
import { minorsBetween, newer, satisfies } from '../../src/engines/aks/versions.ts';

/** The public line of a key, as ssh-keygen writes it. */
function publicKey(bits: number | 'ed25519'): string {
  const part = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, bytes.length >> 8, bytes.length & 0xff]), bytes]);
  if (bits === 'ed25519') {
    const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    const blob = Buffer.concat([part(Buffer.from('ssh-ed25519')), part(Buffer.from(x, 'base64url'))]);
    return `ssh-ed25519 ${blob.toString('base64')} me@example.com`;
  }
  const { n = '', e = '' } = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
  const modulus = Buffer.concat([Buffer.from([0]), Buffer.from(n, 'base64url')]);
  const blob = Buffer.concat([part(Buffer.from('ssh-rsa')), part(Buffer.from(e, 'base64url')), part(modulus)]);
  return `ssh-rsa ${blob.toString('base64')} me@example.com`;
}

function problems(values: Record<string, string>): string[] {
  const read = readValues(aks.cluster, { location: 'westeurope', ...values });
  return read.ok ? [] : read.problems.map(({ field }) => field);
}

describe('the form of an AKS cluster', () => {
  it('asks for no more than a location', () => {
    const read = readValues(aks.cluster, { location: 'westeurope' });
    expect(read).toMatchObject({ ok: true, value: { location: 'westeurope', nodes: 2, tier: 'Free' } });
    expect(
      fieldsOf(aks.cluster)
        .filter((field) => field.required)
        .map((field) => field.key),
    ).toEqual(['location']);
    expect(fieldsOf(aks.cluster).find(({ key }) => key === 'location')).toMatchObject({ reloads: true });
  });

  it.each([
    [{ location: 'West Europe' }, 'location'],
    [{ version: 'newest' }, 'version'],
    [{ nodes: '0' }, 'nodes'],
    [{ nodes: '1001' }, 'nodes'],
    [{ nodes: '2.5' }, 'nodes'],
    [{ userNodes: '-1' }, 'userNodes'],
    [{ osDiskGb: '12' }, 'osDiskGb'],
    [{ zones: '1,4' }, 'zones'],
    [{ zones: '1,1' }, 'zones'],
    [{ tier: 'Gold' }, 'tier'],
    [{ systemPool: 'System-Pool' }, 'systemPool'],
    [{ systemPool: 'averyverylongname' }, 'systemPool'],
    [{ userPool: 'system' }, 'userPool'],
    [{ autoscaleMin: '2' }, 'autoscaleMax'],
    [{ autoscaleMax: '3' }, 'autoscaleMin'],
    [{ autoscaleMin: '4', autoscaleMax: '3' }, 'autoscaleMax'],
    [{ autoscaleMin: '3', autoscaleMax: '5' }, 'nodes'],
    [{ userNodes: '9', userAutoscaleMin: '0', userAutoscaleMax: '5' }, 'userNodes'],
    [{ userSize: 'Standard_D4s_v5' }, 'userNodes'],
    [{ networkPlugin: 'kubenet', networkPolicy: 'azure' }, 'networkPolicy'],
    [{ networkPlugin: 'kubenet', networkPolicy: 'cilium' }, 'networkPolicy'],
    [{ networkPlugin: 'azure', networkPolicy: 'cilium' }, 'networkPolicy'],
    [{ networkPlugin: 'none', networkPolicy: 'calico' }, 'networkPolicy'],
    [{ networkPlugin: 'azure', podCidr: '10.244.0.0/16' }, 'podCidr'],
    [{ podCidr: '10.244.0.0' }, 'podCidr'],
    [{ podCidr: '10.244.0.1/16' }, 'podCidr'],
    [{ podCidr: '172.30.0.0/16' }, 'podCidr'],
    [{ podCidr: '10.0.0.0/16' }, 'podCidr'],
    [{ podCidr: '10.244.0.0/24', nodes: '2' }, 'podCidr'],
    [{ serviceCidr: '10.244.128.0/17' }, 'serviceCidr'],
    [{ serviceCidr: '10.0.0.0/8' }, 'serviceCidr'],
    [{ serviceCidr: '300.0.0.0/16' }, 'serviceCidr'],
    [{ dnsServiceIp: '10.1.0.10' }, 'dnsServiceIp'],
    [{ dnsServiceIp: '10.0.0.1' }, 'dnsServiceIp'],
    [{ dnsServiceIp: 'ten' }, 'dnsServiceIp'],
    [{ adminUsername: 'ops' }, 'sshKey'],
    [{ adminUsername: 'root' }, 'adminUsername'],
    [{ sshKey: 'ssh-rsa nonsense' }, 'sshKey'],
    [{ tags: 'kqueen-org=mine' }, 'tags'],
    [{ tags: 'azureThing=1' }, 'tags'],
    [{ tags: 'a<b=1' }, 'tags'],
    [{ nonsense: '1' }, 'nonsense'],
  ])('refuses %j and names the field', (values, field) => {
    expect(problems(values as Record<string, string>)).toContain(field);
  });

  it.each([
    [{ version: '1.34', zones: '1,3', osDiskGb: '128', tags: 'cost-center=42,Owner=me' }],
    [{ nodes: '3', autoscaleMin: '1', autoscaleMax: '5', userAutoscaleMin: '0', userAutoscaleMax: '9' }],
    [{ userNodes: '3', userSize: 'Standard_D4s_v5' }],
    [
      {
        networkPolicy: 'cilium',
        podCidr: '10.240.0.0/12',
        serviceCidr: '192.168.0.0/20',
        dnsServiceIp: '192.168.0.53',
      },
    ],
    [{ networkPlugin: 'kubenet', networkPolicy: 'calico' }],
    [{ networkPlugin: 'azure', networkPolicy: 'azure', privateCluster: 'yes', tier: 'Premium' }],
    [{ sshKey: publicKey(2_048), adminUsername: 'ops' }],
    [{ sshKey: publicKey('ed25519') }],
  ])('takes %j', (values) => {
    expect(problems(values as Record<string, string>)).toEqual([]);
  });

  it('says what is wrong with an SSH key', () => {
    const key = publicKey(2_048);
    expect(sshKeyProblem(key)).toBeNull();
    expect(sshKeyProblem(publicKey(1_024))).toContain('1024');
    expect(sshKeyProblem(key.slice(0, 100))).toContain('cut short');
    expect(sshKeyProblem(key.replace('ssh-rsa', 'ssh-dss'))).toContain('ssh-rsa and ssh-ed25519');
    expect(sshKeyProblem(key.replace('ssh-rsa', 'ssh-ed25519'))).toContain('cut short or changed');
    const secret = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(sshKeyProblem(secret)).toContain('private key');
  });
});

describe('the form of an AKS provisioner', () => {
  const id = '0A1B2C3D-0000-4000-8000-000000000000';
  const good = { tenantId: id, clientId: id, clientSecret: 'x', subscriptionId: id, resourceGroup: 'kqueen_(test).1' };

  it('takes ids in any case, and both addresses or none', () => {
    expect(aks.provisioner.parse(good)).toMatchObject({ tenantId: id.toLowerCase() });
    const sovereign = { ...good, resourceManagerEndpoint: 'https://management.usgovcloudapi.net/' };
    expect(aks.provisioner.safeParse(sovereign).success).toBe(true);
  });

  it.each([
    { tenantId: 'contoso.onmicrosoft.com' },
    { subscriptionId: 'Production' },
    { clientSecret: '' },
    { resourceGroup: 'ends.' },
    { resourceGroup: 'with space' },
    { resourceGroup: '' },
    { resourceManagerEndpoint: 'http://management.azure.com' },
    { authorityHost: 'http://127.0.0.1:1' },
    { authorityHost: 'https://me@login.microsoftonline.com' },
    { defaultLocation: 'West Europe' },
    { caBundle: 'nonsense' },
    { prices: 'currency: dollars' },
  ])('refuses %j', (bad) => {
    expect(aks.provisioner.safeParse({ ...good, ...bad }).success).toBe(false);
  });
});

describe('what is reckoned without Azure', () => {
  const spec = {
    location: 'westeurope',
    version: '1.33.6',
    size: 'Standard_D4s_v5',
    nodes: 3,
    userNodes: 2,
    userSize: 'Standard_E4s_v5',
  };

  it('describes pools, nodes and the change of either', () => {
    expect(aks.describe(spec)).toBe(
      '5 nodes (3 × Standard_D4s_v5 and 2 × Standard_E4s_v5) in westeurope, Kubernetes 1.33.6',
    );
    expect(aks.describe({ location: 'eastus' })).toBe("2 × Standard_D2s_v5 in eastus, Azure's default Kubernetes");
    expect(aks.pools(spec)).toMatchObject([
      { name: 'system', nodes: 3, bounds: { min: 1 } },
      { name: 'user', nodes: 2, bounds: { min: 0 } },
    ]);
    expect(aks.pools(aks.after(spec, { pool: 'user', nodes: 7 }))[1]).toMatchObject({ nodes: 7 });
    const scaled = aks.after(spec, { autoscale: { min: 4, max: 6 } });
    expect(aks.pools(scaled)[0]).toMatchObject({ nodes: 4, autoscale: { min: 4, max: 6 } });
    expect(aks.pools(aks.after(scaled, { autoscale: null }))[0]?.autoscale).toBeUndefined();
    // A pool that was made at Azure is no part of the spec.
    expect(aks.nodes(aks.after(spec, { pool: 'gpu', nodes: 9 }))).toBe(5);
  });

  it('refuses what cannot be, with the field', () => {
    const autoscaled = { ...spec, autoscaleMin: 2, autoscaleMax: 4 };
    for (const [from, update, field] of [
      [spec, { nodes: 0 }, 'nodes'],
      [spec, { pool: 'user', nodes: 1_001 }, 'userNodes'],
      [spec, { autoscale: { min: 5, max: 2 } }, 'autoscaleMax'],
      [spec, { version: 'latest' }, 'version'],
      [autoscaled, { nodes: 3 }, 'nodes'],
    ] as const) {
      expect(() => aks.after(from, update)).toThrow(expect.objectContaining({ kind: 'bad-input', field }));
    }
    expect(
      aks.nodes(aks.after({ ...autoscaled, userNodes: 0, userSize: undefined }, { autoscale: null, nodes: 9 })),
    ).toBe(9);
  });

  it('changes what was made in a way that the form would not', () => {
    const odd = { location: 'eastus', nodes: 2, networkPlugin: 'azure', networkPolicy: 'cilium' };
    expect(aks.after(odd, { nodes: 5 })).toEqual({ ...odd, nodes: 5 });
    expect(() => aks.after(odd, { nodes: 0 })).toThrow(expect.objectContaining({ kind: 'bad-input' }));
  });

  it('prices the control plane by its tier, and each region by its own prices', () => {
    const prices = {
      currency: 'EUR',
      controlPlane: 0.1,
      sizes: { Standard_D2s_v5: 0.1, Standard_E4s_v5: 0.3 },
      regions: { eastus: { Standard_D2s_v5: 0.08 } },
    };
    const small = { location: 'westeurope', nodes: 2 };
    expect(aks.price(small, prices)).toMatchObject({ perHour: 0.2, currency: 'EUR' });
    expect(aks.price({ ...small, tier: 'Standard' }, prices)?.perHour).toBe(0.3);
    expect(aks.price({ ...small, location: 'eastus' }, prices)?.perHour).toBe(0.16);
    expect(aks.price({ ...small, userNodes: 1, userSize: 'Standard_E4s_v5' }, prices)?.perHour).toBe(0.5);
    expect(aks.price({ ...small, size: 'Standard_X' }, prices)).toBeNull();
    expect(aks.price(small, prices)?.excludes).toContain('disks');
  });

  it('knows which cloud two addresses mean', () => {
    expect(cloudOf(undefined, undefined)).toMatchObject({
      resourceManager: 'https://management.azure.com',
      authority: 'https://login.microsoftonline.com',
      scope: 'https://management.azure.com/.default',
      known: true,
    });
    expect(cloudOf('https://management.usgovcloudapi.net/', undefined)).toMatchObject({
      authority: 'https://login.microsoftonline.us',
      scope: 'https://management.core.usgovcloudapi.net/.default',
      known: true,
    });
    expect(cloudOf('https://westeurope.management.azure.com', undefined).authority).toBe(
      'https://login.microsoftonline.com',
    );
    expect(cloudOf('https://front.example', 'https://login.chinacloudapi.cn')).toMatchObject({
      scope: 'https://management.core.chinacloudapi.cn/.default',
      known: true,
    });
    expect(cloudOf('https://front.example', 'https://sign-in.example')).toMatchObject({ known: false });
    expect(sameAuthority('login.windows.net', 'login.microsoftonline.com')).toBe(true);
    expect(sameAuthority('login.example.com', 'login.microsoftonline.com')).toBe(false);
    expect(cloudOf('https://management.azure.com.evil.example', undefined).authority).toBe(
      'https://login.microsoftonline.com',
    );
  });

  it('reckons with addresses and versions', () => {
    const [a, b, c] = ['10.0.0.0/16', '10.0.128.0/17', '10.1.0.0/16'].map(readCidr);
    if (!a || !b || !c) throw new Error('a range could not be read');
    expect([overlap(a, b), overlap(a, c)]).toEqual([true, false]);
    expect(readCidr('10.0.0.0/33')).toBeNull();
    expect(writeAddress(a.last)).toBe('10.0.255.255');
    expect(dnsAddressOf('192.168.0.0/20')).toBe('192.168.0.10');
    expect([satisfies('1.34.2', '1.34'), satisfies('1.34.2', '1.3')]).toEqual([true, false]);
    expect([newer('1.34.2', '1.34'), newer('1.9.0', '1.10.0'), newer('1.34.10', '1.34.9')]).toEqual([
      false,
      false,
      true,
    ]);
    expect([minorsBetween('1.32.9', '1.34.1'), minorsBetween('1.32.9', '2.0.0')]).toEqual([2, 1_000]);
  });

  it('connects without a call, and takes no provisioner that is none', async () => {
    await expect(aks.connect({ tenantId: 'x' })).rejects.toThrow();
  });
});
