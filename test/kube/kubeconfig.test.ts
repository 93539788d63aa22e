import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { Fault } from '../../src/core/errors.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/kube/kubeconfig.ts';
import { makeTestCertificate } from '../certificate.ts';

const { ca, key } = makeTestCertificate();
const base64 = (text: string) => Buffer.from(text).toString('base64');

interface Parts {
  cluster?: Record<string, unknown>;
  user?: Record<string, unknown>;
  root?: Record<string, unknown>;
}

function kubeconfig({ cluster = {}, user = {}, root = {} }: Parts = {}): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    clusters: [
      {
        name: 'c',
        cluster: { server: 'https://k.example:6443', 'certificate-authority-data': base64(ca), ...cluster },
      },
    ],
    users: [{ name: 'u', user: { token: 'canary-token', ...user } }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
    ...root,
  });
}

function refusal(yaml: string): Fault {
  try {
    readKubeconfig(yaml);
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
  throw new Error('was accepted');
}

describe('a kubeconfig that is taken', () => {
  it('has a server, CA data and a token', () => {
    expect(readKubeconfig(kubeconfig())).toEqual({ server: 'https://k.example:6443', ca, token: 'canary-token' });
  });

  it('may have a client certificate, a path in its address, and no CA', () => {
    const user = { token: undefined, 'client-certificate-data': base64(ca), 'client-key-data': base64(key) };
    const cluster = { server: 'https://k.example/clusters/7/', 'certificate-authority-data': undefined };
    expect(readKubeconfig(kubeconfig({ cluster, user }))).toEqual({
      server: 'https://k.example/clusters/7',
      cert: ca,
      key,
    });
  });

  it('may have harmless fields, and its only context without current-context', () => {
    const cluster = { 'insecure-skip-tls-verify': false, 'proxy-url': '', extensions: [{ name: 'minikube' }] };
    expect(readKubeconfig(kubeconfig({ cluster, root: { 'current-context': undefined } })).token).toBe('canary-token');
  });

  it('is read from its current context alone', () => {
    const parsed = parse(kubeconfig()) as { users: unknown[]; contexts: unknown[] };
    parsed.users.unshift({ name: 'other', user: { exec: { command: 'false' } } });
    parsed.contexts.unshift({ name: 'other', context: { cluster: 'c', user: 'other' } });
    expect(readKubeconfig(stringify(parsed)).token).toBe('canary-token');
  });

  it('may have a user name and a password, for servers that still take them', () => {
    const user = { token: undefined, username: 'admin', password: 'pass: "word"' };
    const basic = { username: 'admin', password: 'pass: "word"' };
    const connection = readKubeconfig(kubeconfig({ user }));
    expect(connection).toEqual({ server: 'https://k.example:6443', ca, basic });
    expect(readKubeconfig(writeKubeconfig('dev-1', 'person', connection))).toEqual(connection);
  });

  it.each([
    ['on one line', undefined],
    ['indented with blanks', 2],
    ['indented with tabs, which YAML forbids', '\t'],
  ])('may be JSON %s', (_name, indent) => {
    const text = JSON.stringify(parse(kubeconfig()), null, indent);
    expect(readKubeconfig(text).token).toBe('canary-token');
    expect(readKubeconfig(`\n  ${text}\n`).token).toBe('canary-token');
  });

  it('may be YAML that begins with a brace', () => {
    expect(readKubeconfig(stringify(parse(kubeconfig()), { collectionStyle: 'flow' })).token).toBe('canary-token');
  });

  it('comes back as it was written', () => {
    const connection = { server: 'https://k.example', ca, token: 'x'.repeat(1_200) };
    const yaml = writeKubeconfig('dev-1', 'person', connection, 'default');
    expect(readKubeconfig(yaml)).toEqual(connection);
    expect(yaml).toContain(`token: ${connection.token}\n`);
    expect((parse(yaml) as { 'current-context': string })['current-context']).toBe('dev-1');
  });
});

describe('a kubeconfig that is refused', () => {
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args: ['-c', 'touch /tmp/canary'] };
  it.each<[string, Parts, RegExp]>([
    ['runs a program', { user: { exec } }, /runs a program.*user\.exec/],
    ['runs a program beside a token', { user: { exec, token: 'x' } }, /user\.exec/],
    ['has an auth provider', { user: { 'auth-provider': { name: 'gcp' } } }, /user\.auth-provider/],
    ['reads a token file', { user: { tokenFile: '/etc/passwd' } }, /user\.tokenFile/],
    ['reads a certificate file', { user: { 'client-certificate': '/x.crt' } }, /user\.client-certificate/],
    ['reads a key file', { user: { 'client-key': '/x.key' } }, /user\.client-key\b/],
    ['reads a CA file', { cluster: { 'certificate-authority': '/etc/passwd' } }, /cluster\.certificate-authority/],
    ['trusts anybody', { cluster: { 'insecure-skip-tls-verify': true } }, /insecure-skip-tls-verify/],
    ['trusts anybody in words', { cluster: { 'insecure-skip-tls-verify': 'true' } }, /insecure-skip-tls-verify/],
    ['goes through a proxy', { cluster: { 'proxy-url': 'http://evil' } }, /proxy/],
    ['renames the server', { cluster: { 'tls-server-name': 'x' } }, /tls-server-name/],
    ['acts as somebody else', { user: { as: 'system:admin' } }, /somebody else/],
    ['acts as another group', { user: { 'as-groups': ['system:masters'] } }, /somebody else/],
    ['has a password beside a token', { user: { username: 'a', password: 'canary-token' } }, /token and a password/],
    ['has half a password', { user: { token: undefined, username: 'a' } }, /only one of username and password/],
    ['has a name with a colon', { user: { token: undefined, username: 'a:b', password: 'canary-token' } }, /colon/],
    [
      'has a password on two lines',
      { user: { token: undefined, username: 'a', password: 'canary-token\nx' } },
      /one line of text/,
    ],
    ['has a password that is no text', { user: { token: undefined, username: 'a', password: 7 } }, /one line of text/],
    ['has a field from the future', { user: { vault: 'x' } }, /not known here/],
    ['has a cluster field from the future', { cluster: { socket: 'x' } }, /not known here/],
    ['is plain HTTP', { cluster: { server: 'http://k.example' } }, /https/],
    ['is a file address', { cluster: { server: 'file:///etc/passwd' } }, /https/],
    ['has credentials in its address', { cluster: { server: 'https://u:canary-token@k.example' } }, /more than a host/],
    ['has a query in its address', { cluster: { server: 'https://k.example/?x=1' } }, /more than a host/],
    ['has no address', { cluster: { server: 'k.example' } }, /no server address|https/],
    ['has no credentials', { user: { token: undefined } }, /neither a token/],
    ['has half a client certificate', { user: { 'client-certificate-data': base64(ca) } }, /only one of/],
    ['has a CA that is none', { cluster: { 'certificate-authority-data': base64('hello') } }, /not a PEM certificate/],
    ['has a CA that is not base64', { cluster: { 'certificate-authority-data': '!!' } }, /not base64/],
    [
      'has a key that is none',
      { user: { 'client-certificate-data': base64(ca), 'client-key-data': base64('x') } },
      /PEM key/,
    ],
    ['has a token on two lines', { user: { token: 'a\nx: y' } }, /one line/],
    ['has a token that is no text', { user: { token: 12 } }, /one line/],
    ['has no such context', { root: { 'current-context': 'gone' } }, /no context/],
    ['has no users', { root: { users: [] } }, /no user/],
    ['has no clusters', { root: { clusters: [] } }, /no cluster/],
    ['has lists that are none', { root: { clusters: 'x' } }, /no list of clusters/],
    ['is of another kind', { root: { kind: 'Secret' } }, /kind Config/],
  ])('%s', (_name, parts, message) => {
    const fault = refusal(kubeconfig(parts));
    expect(fault).toMatchObject({ kind: 'bad-input', field: 'kubeconfig' });
    expect(fault.message).toMatch(message);
    expect(fault.next).toBeTruthy();
    expect(`${fault.message} ${fault.detail} ${fault.stack}`).not.toContain('canary-token');
  });

  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['a list', '- a\n- b'],
    ['broken YAML', 'a: [1\ntoken: canary-token'],
    ['a number', '7'],
    ['a huge text', `# ${'x'.repeat(300_000)}`],
    [
      'a bomb of aliases',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]`,
    ],
  ])('is %s', (_name, yaml) => {
    const fault = refusal(yaml);
    expect(fault.kind).toBe('bad-input');
    expect(`${fault.message} ${fault.detail} ${fault.stack}`).not.toContain('canary-token');
  });
});
