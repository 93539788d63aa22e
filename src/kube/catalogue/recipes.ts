/** How the apps of the catalogue are made: official images, one Secret of passwords that are made up, one volume. */
import { randomBytes } from 'node:crypto';
import { type Publish, publishWays } from '../../core/apps.ts';
import { catalogueApp, catalogueSchema } from '../../core/apps-catalogue.ts';
import { Fault } from '../../core/errors.ts';
import { manifestOf } from '../apply/bundle.ts';
import type { Manifest } from '../apply/manifests.ts';
import { generatedAnnotation } from '../apply/set.ts';
import { type ImageParts, imageObjects } from './image.ts';

interface Recipe {
  image: string;
  port: string;
  /** Where its data is. */
  folder?: string;
  /** The group of its volume. */
  group?: number;
  args?: string[];
  /** Variables from its parameters. */
  env?: Record<string, (values: Values) => string>;
  /** Variables with passwords that are made up. */
  passwords?: readonly string[];
  /** Files from its parameters: path, name and text; null when there is none. */
  file?(values: Values): { path: string; key: string; text: string } | null;
}

type Values = Record<string, string | number | boolean>;

const text = (key: string) => (values: Values) => String(values[key] ?? '');

/** Makes the account of the first start; passwords come from the environment, never from a file. */
const jenkinsAccount = `import hudson.security.FullControlOnceLoggedInAuthorizationStrategy
import hudson.security.HudsonPrivateSecurityRealm
import jenkins.model.Jenkins

def jenkins = Jenkins.get()
if (!(jenkins.securityRealm instanceof HudsonPrivateSecurityRealm)) {
  def realm = new HudsonPrivateSecurityRealm(false)
  realm.createAccount('admin', System.getenv('JENKINS_ADMIN_PASSWORD'))
  jenkins.securityRealm = realm
  def strategy = new FullControlOnceLoggedInAuthorizationStrategy()
  strategy.allowAnonymousRead = false
  jenkins.authorizationStrategy = strategy
  jenkins.save()
}
`;

const site = (path: string) => (values: Values) =>
  values.page === undefined || values.page === '' ? null : { path, key: 'index.html', text: String(values.page) };

const recipes: Record<string, Recipe> = {
  nginx: { image: 'nginx', port: '80', file: site('/usr/share/nginx/html/index.html') },
  httpd: { image: 'httpd', port: '80', file: site('/usr/local/apache2/htdocs/index.html') },
  redis: {
    image: 'redis',
    port: '6379',
    folder: '/data',
    group: 999,
    passwords: ['REDIS_PASSWORD'],
    args: ['--requirepass', '$(REDIS_PASSWORD)', '--appendonly', 'yes'],
  },
  postgresql: {
    image: 'postgres',
    port: '5432',
    folder: '/var/lib/postgresql/data',
    group: 999,
    passwords: ['POSTGRES_PASSWORD'],
    // Below the mount: a fresh volume has a lost+found, in which initdb refuses to work.
    env: {
      POSTGRES_DB: text('database'),
      POSTGRES_USER: text('user'),
      PGDATA: () => '/var/lib/postgresql/data/pgdata',
    },
  },
  mariadb: {
    image: 'mariadb',
    port: '3306',
    folder: '/var/lib/mysql',
    group: 999,
    passwords: ['MARIADB_ROOT_PASSWORD', 'MARIADB_PASSWORD'],
    env: { MARIADB_DATABASE: text('database'), MARIADB_USER: text('user') },
  },
  mysql: {
    image: 'mysql',
    port: '3306',
    folder: '/var/lib/mysql',
    group: 999,
    passwords: ['MYSQL_ROOT_PASSWORD', 'MYSQL_PASSWORD'],
    env: { MYSQL_DATABASE: text('database'), MYSQL_USER: text('user') },
  },
  mongodb: {
    image: 'mongo',
    port: '27017',
    folder: '/data/db',
    group: 999,
    passwords: ['MONGO_INITDB_ROOT_PASSWORD'],
    env: { MONGO_INITDB_ROOT_USERNAME: text('user') },
  },
  grafana: {
    image: 'grafana/grafana',
    port: '3000',
    folder: '/var/lib/grafana',
    group: 472,
    passwords: ['GF_SECURITY_ADMIN_PASSWORD'],
    file: (values) =>
      values.source === undefined
        ? null
        : {
            path: '/etc/grafana/provisioning/datasources/source.yaml',
            key: 'source.yaml',
            text: `apiVersion: 1\ndatasources:\n  - name: ${values.kind}\n    type: ${values.kind}\n    access: proxy\n    isDefault: true\n    url: ${JSON.stringify(values.source)}\n`,
          },
  },
  jenkins: {
    image: 'jenkins/jenkins',
    port: '8080',
    folder: '/var/jenkins_home',
    group: 1000,
    passwords: ['JENKINS_ADMIN_PASSWORD'],
    env: { JAVA_OPTS: () => '-Djenkins.install.runSetupWizard=false' },
    file: () => ({
      path: '/usr/share/jenkins/ref/init.groovy.d/account.groovy',
      key: 'account.groovy',
      text: jenkinsAccount,
    }),
  },
};

/** The objects of an app of the catalogue. Its passwords are random, in a Secret, and said nowhere. */
export function catalogueObjects(app: { name: string; namespace: string }, what: string, given: Values): Manifest[] {
  const entry = catalogueApp(what);
  const recipe = entry && recipes[entry.name];
  if (!entry || !recipe) throw new Fault('not-found', `The catalogue has no ${what}.`, { field: 'what' });
  const values = catalogueSchema(entry).parse(given) as Values;
  const made: Manifest[] = [];
  const labels = { 'app.kubernetes.io/name': entry.name, 'app.kubernetes.io/instance': app.name };
  const secret = `${app.name}-auth`;
  if (recipe.passwords) {
    const data = Object.fromEntries(
      recipe.passwords.map((key) => [key, Buffer.from(randomBytes(18).toString('base64url')).toString('base64')]),
    );
    const metadata = { name: secret, namespace: app.namespace, labels, annotations: { [generatedAnnotation]: 'true' } };
    made.push(manifestOf({ apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata, data }));
  }
  const file = recipe.file?.(values) ?? null;
  const map = `${app.name}-files`;
  if (file) {
    made.push(
      manifestOf({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: map, namespace: app.namespace, labels },
        data: { [file.key]: file.text },
      }),
    );
  }
  const size = String(values.storage ?? 'none');
  const parts: ImageParts = {
    image: `${recipe.image}:${String(values.version)}`,
    replicas: Number(values.replicas ?? 1),
    ports: [recipe.port],
    env: Object.fromEntries(Object.entries(recipe.env ?? {}).map(([key, of]) => [key, of(values)])),
    secretEnv: {},
    publish: publishWays.find((way) => way === values.publish) ?? ('cluster' satisfies Publish),
    from: Object.fromEntries((recipe.passwords ?? []).map((key) => [key, { secret, key }])),
    ...(recipe.folder === undefined ? {} : { folder: { path: recipe.folder, ...(size === 'none' ? {} : { size }) } }),
    ...(recipe.group === undefined ? {} : { group: recipe.group }),
    ...(recipe.args ? { args: recipe.args } : {}),
    ...(file ? { files: { [file.path]: { map, key: file.key } } } : {}),
  };
  return [...made, ...imageObjects(app, parts)];
}
