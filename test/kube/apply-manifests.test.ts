import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { pack, unpack } from '../../src/kube/apply/bundle.ts';
import { differenceOf } from '../../src/kube/apply/diff.ts';
import { readManifests } from '../../src/kube/apply/manifests.ts';
import { inOrder } from '../../src/kube/apply/order.ts';
import { privilegesOf } from '../../src/kube/apply/privileged.ts';
import { refusalOf } from '../../src/kube/apply/refusals.ts';

function messageOf(text: string): string {
  try {
    readManifests(text);
  } catch (thrown) {
    return thrown instanceof Fault ? `${thrown.kind} ${thrown.message} ${thrown.next ?? ''}` : String(thrown);
  }
  return 'taken';
}

const map = (name: string, more = '') => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n${more}`;

describe('reading manifests', () => {
  test('every document, lists taken apart, empty ones skipped, fields of the server left out', () => {
    const text = `# nothing\n---\n${map('a')}---\n# only a comment\n---\napiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b, uid: x, resourceVersion: "4"}}\n---\napiVersion: v1\nkind: ConfigMapList\nitems:\n  - metadata: {name: c}\n---\n`;
    const read = readManifests(text);
    expect(read.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['ConfigMap a', 'ConfigMap b', 'ConfigMap c']);
    expect(JSON.stringify(read)).not.toContain('resourceVersion');
  });

  test.each([
    ['a: b: c', /broken at line 1, column \d+/],
    [`${map('a')}---\nkind: X\n\tfoo: 1`, /broken at line 6, column \d+.*spaces/],
    ['kind: ConfigMap\nmetadata: {name: a}', /ConfigMap at line 1 has no apiVersion/],
    [`${map('a')}---\napiVersion: v1\nmetadata: {name: a}`, /object at line 5 has no kind/],
    ['apiVersion: v1\nkind: ConfigMap', /has no metadata/],
    ['apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}', /generateName/],
    [`${map('a')}---\n${map('a')}`, /ConfigMap a is there twice: at line 1 and at line 5/],
    ['- a\n- b', /line 1 is no object: it is a list/],
    ['just words', /is no object: it is a string/],
    ['', /empty, or has comments alone/],
    ['# nothing\n---\n', /empty, or has comments alone/],
    ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nmetadata: {name: b}', /broken at line 4/],
    ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {on: 1}}', /put .* into quotes/],
    ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../x}', /name that cannot be/],
  ])('seeds 55: %j is refused with what and where', (text, said) => {
    expect(messageOf(text)).toMatch(said);
  });

  test('aliases that grow without bound are refused', () => {
    const rows = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...['b', 'c', 'd', 'e', 'f', 'g'].map(
        (key, at) => `${key}: &${key} [${`*${'abcdef'[at]},`.repeat(9).slice(0, -1)}]`,
      ),
    ];
    expect(messageOf(rows.join('\n'))).toMatch(/refers to itself too often/);
  });

  test('seeds 55: 5 MB are refused clearly above the bound', () => {
    expect(messageOf(map('a', `data: {x: "${'x'.repeat(5 * 2 ** 20)}"}`))).toMatch(/5\.0 MiB long; 5 MiB is the most/);
  });

  test('numbers and truths are read as kubectl reads them', () => {
    const [read] = readManifests(
      map('a', 'data:\n  mode: 0644\n  on: yes\n  y: 1\n  at: 12:30:00\n  day: 2026-01-02\n'),
    );
    expect(read?.object.data).toEqual({ mode: 420, true: true, y: 1, at: '12:30:00', day: '2026-01-02' });
  });

  test('what is packed comes back as it was', () => {
    const read = readManifests(map('a', 'data: {b: "ü"}'));
    expect(unpack(pack(read))).toEqual(read);
  });

  test('kinds and namespaces come first, what looks at others last', () => {
    const kinds = [
      'MutatingWebhookConfiguration',
      'Deployment',
      'Widget',
      'Service',
      'ConfigMap',
      'CustomResourceDefinition',
      'Namespace',
    ];
    expect(inOrder(kinds.map((kind) => ({ kind }))).map(({ kind }) => kind)).toEqual([
      'Namespace',
      'CustomResourceDefinition',
      'ConfigMap',
      'Service',
      'Deployment',
      'Widget',
      'MutatingWebhookConfiguration',
    ]);
  });
});

describe('privileged workloads', () => {
  const pod = (spec: string) =>
    privilegesOf(readManifests(`apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: ${spec}`)).join();
  test.each([
    ['{hostNetwork: true, containers: [{name: a}]}', /hostNetwork/],
    ['{hostPID: true, containers: [{name: a}]}', /hostPID/],
    ['{volumes: [{name: v, hostPath: {path: /etc}}], containers: [{name: a}]}', /the folder \/etc of the node/],
    ['{containers: [{name: a, securityContext: {privileged: true}}]}', /privileged/],
    [
      '{initContainers: [{name: i, securityContext: {capabilities: {add: [SYS_ADMIN]}}}], containers: [{name: a}]}',
      /added capabilities \(SYS_ADMIN\)/,
    ],
    ['{containers: [{name: a, ports: [{hostPort: 80}]}]}', /hostPort/],
  ])('%s', (spec, said) => {
    expect(pod(spec)).toMatch(said);
  });
  test('what stays in its pod is none', () => {
    expect(
      pod(
        '{containers: [{name: a, securityContext: {capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}}}], volumes: [{name: v, emptyDir: {}}]}',
      ),
    ).toBe('');
  });
});

describe('differences', () => {
  const deployment = (env: object[]) => ({
    kind: 'Deployment',
    metadata: { name: 'a', uid: '1', managedFields: [] },
    spec: { template: { spec: { containers: [{ name: 'main', env }] } } },
  });
  test('fields by their path and name; what is secret is three stars, whatever its kind', () => {
    const before = deployment([
      { name: 'MODE', value: 'slow' },
      { name: 'DB_PASSWORD', value: 'first-secret-1' },
    ]);
    const after = deployment([
      { name: 'MODE', value: 'fast' },
      { name: 'DB_PASSWORD', value: 'second-secret-2' },
    ]);
    const { lines, secrets } = differenceOf('Deployment', before, after);
    expect(lines).toContain('~ spec.template.spec.containers[main].env[MODE].value: slow → fast');
    expect(lines.join()).toMatch(/DB_PASSWORD\]\.value: \*\*\* → \*\*\* \(changed\)/);
    expect(lines.join()).not.toMatch(/first-secret|second-secret/);
    expect(secrets).toBe(1);
    const secret = differenceOf('Secret', { data: { a: 'b25l' } }, { data: { a: 'dHdv', b: 'dGhyZWU=' } });
    expect(secret.lines.join()).not.toMatch(/b25l|dHdv|dGhyZWU/);
    expect(secret.hash).not.toBe(
      differenceOf('Secret', { data: { a: 'b25l' } }, { data: { a: 'other', b: 'dGhyZWU=' } }).hash,
    );
  });
  test('what the server keeps for itself is no difference', () => {
    const live = {
      metadata: { name: 'a', uid: '1', resourceVersion: '7', generation: 2, annotations: { 'kqueen/revision': '3' } },
      status: { a: 1 },
    };
    expect(differenceOf('X', live, { metadata: { name: 'a' } }).lines).toEqual([]);
  });
});

describe('refusals in the words of real servers', () => {
  const [web] = readManifests('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}');
  const said = (status: number, message: string) => {
    if (!web) throw new Error('no manifest');
    return refusalOf(
      new Fault('bad-input', message.slice(0, 240), {
        detail: `HTTP ${status}\n${JSON.stringify({ kind: 'Status', message, code: status })}`,
      }),
      web,
    );
  };
  test.each([
    [
      409,
      'Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1:\n- .spec.replicas\n- .spec.paused',
      'conflict',
      /kubectl-client-side-apply keeps spec\.replicas, spec\.paused/,
    ],
    [
      409,
      'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas',
      'conflict',
      /hpa keeps spec\.replicas/,
    ],
    [
      422,
      'Deployment.apps "web" is invalid: spec.selector: Invalid value: {}: field is immutable',
      'immutable',
      /spec\.selector of Deployment shop\/web cannot be changed/,
    ],
    [
      500,
      'failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema',
      'unknown-field',
      /unknown field spec\.replica/,
    ],
    [
      400,
      'Deployment in version "v1" cannot be handled: strict decoding error: unknown field "spec.replica"',
      'unknown-field',
      /unknown field spec\.replica/,
    ],
    [
      403,
      'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
      'quota',
      /exceeded quota: small/,
    ],
    [400, 'admission webhook "deny.example.com" denied the request: no latest tags', 'webhook', /no latest tags/],
    [500, 'Internal error occurred: failed calling webhook "x.example.com": timeout', 'webhook', /must ask a webhook/],
    [404, 'namespaces "shop" not found', 'no-namespace', /no namespace shop/],
  ] as const)('%i %s', (status, message, why, words) => {
    expect(said(status, message)).toMatchObject({ why, text: expect.stringMatching(words) as string });
  });
  test('what is not about the object is none', () => {
    expect(said(429, 'too many requests')).toBeNull();
    expect(said(401, 'Unauthorized')).toBeNull();
    expect(said(500, 'etcdserver: request timed out')).toBeNull();
  });
});
