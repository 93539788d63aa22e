import { describe, expect, test } from 'vitest';
import { registry } from '../../src/core/commands/index.ts';
import { findSecret, scrub } from '../../src/core/secrets.ts';

const key = (kind: string) =>
  `-----BEGIN ${kind}PRIVATE KEY-----\nMIIEcanaryAAA\nBBBcanary\n-----END ${kind}PRIVATE KEY-----`;
const canary = 'canary7Q2xPz91kd';

// S4 of the predecessors: masking by five key names left most of these in clear.
describe('S4 credentials are recognised by what they are and by what they are called', () => {
  test.each([
    `xoxb-123456789012-${canary}`,
    `xoxe.xoxp-1-${canary}`,
    `xapp-1-A012-${canary}`,
    `https://hooks.slack.com/services/T0/B0/${canary}`,
    key(''),
    key('RSA '),
    key('OPENSSH '),
    key('EC ').slice(0, -40),
    `{"type":"service_account","private_key":"${canary}"}`,
    `client-key-data: ${canary}${canary}`,
    `eyJhbGciOiJSUzI1.eyJpc3MiOiJr.${canary}`,
    'AKIAIOSFODNN7CANARY0',
    `AIza${'Canary7'.repeat(5)}`,
    `ya29.${canary}${canary}`,
    `ghp_${canary}${canary}`,
    `github_pat_${canary}${canary}`,
    `Authorization: Bearer ${canary}`,
    `postgres://admin:${canary}@db.example/x`,
    `password=${canary}`,
    `os_password=${canary}`,
    `osPassword: ${canary}`,
    `aws_secret_access_key = ${canary}`,
    `--client-secret=${canary}`,
    `"clientSecret": "${canary}"`,
    `private_key=${canary}`,
    `api_key=${canary}`,
    `token="${canary} with words"`,
    `labels="db.token=${canary}"`,
    `passphrase='${canary}'`,
  ])('%s', (text) => {
    expect(findSecret(text)).not.toBeNull();
    const shown = scrub(`before ${text} after`);
    expect(shown).not.toMatch(/canary/i);
    expect(shown).toContain('before');
  });

  test.each([
    'cluster edit dev-1 labels="team=token-ring"',
    'cluster edit dev-1 labels="app=secret-santa,tier=password-reset"',
    'cluster create dev-1 version=1.34.2 plan=3f9a0b1c2d3e',
    'approve k3f9x2ab plan=3f9a0b1c2d3e',
    'deny k3f9x2ab because the token: it has expired',
    'deny k3f9x2ab because its password policy is weak',
    'deny k3f9x2ab because secrets are not for chat',
    'help provisioner add',
    'clusters label.token!=a',
    'cluster create secret-1',
    'https://user@host.example/path',
    'https://host.example:8443/x@y',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    'eyJust a word',
    'certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t',
  ])('%s is none', (text) => {
    expect(findSecret(text)).toBeNull();
    expect(scrub(text)).toBe(text);
  });

  test('no example of a command is taken for one', () => {
    for (const { examples } of registry.all) for (const example of examples) expect(findSecret(example)).toBeNull();
  });

  test('a long hostile text costs no time', () => {
    const began = performance.now();
    for (const text of [
      '-----BEGIN PRIVATE KEY-----'.repeat(800),
      'password='.repeat(3_000),
      'a://'.repeat(5_000),
      'x'.repeat(50_000),
    ])
      scrub(text);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
