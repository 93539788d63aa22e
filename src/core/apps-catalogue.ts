/** The apps that can be deployed by name alone, with the parameters that each takes. How they are made is in src/kube/catalogue. */
import { z } from 'zod';
import { publishWays } from './apps.ts';
import { field } from './schema.ts';

/** One app of the catalogue. */
export interface CatalogueApp {
  /** What it is called in commands. */
  name: string;
  title: string;
  about: string;
  /** Its own parameters; those that all share are added by `catalogueSchema`. */
  own: z.ZodObject;
}

const sizeOf = (standard: string) =>
  field(
    z
      .string()
      .trim()
      .regex(/^([1-9]\d{0,4}(Mi|Gi|Ti)|none)$/, 'Write a size such as 8Gi, or none.')
      .default(standard),
    {
      label: 'Storage',
      help: 'Size of the volume for its data, such as 8Gi; none keeps it only as long as the pod lives.',
      order: 20,
    },
  );

const word = (label: string, standard: string, help: string, order: number) =>
  field(
    z
      .string()
      .trim()
      .regex(/^[A-Za-z][A-Za-z0-9_]{0,30}$/, 'Use letters, digits and underscores, at most 31.')
      .default(standard),
    { label, help, order },
  );

const version = (standard: string) =>
  field(
    z
      .string()
      .trim()
      .regex(/^[\w][\w.-]{0,127}$/, 'Write the tag of an image.')
      .default(standard),
    { label: 'Version', help: 'Tag of its official image.', order: 5 },
  );

const replicas = field(z.int().min(1).max(50).default(2), { label: 'Pods', order: 10 });
const page = field(z.string().max(100_000).optional(), {
  label: 'Page',
  help: 'HTML of its first page; without one it is the standard page.',
  multiline: true,
  order: 30,
});

const database = (tag: string) =>
  z.object({
    version: version(tag),
    database: word('Database', 'app', 'Made at the first start.', 11),
    user: word('User', 'app', 'Its password is made up and kept in a Secret.', 12),
    storage: sizeOf('8Gi'),
  });

/** Every app of the catalogue. */
export const catalogue: readonly CatalogueApp[] = [
  { name: 'nginx', title: 'nginx', about: 'Web server', own: z.object({ version: version('1.28.0'), replicas, page }) },
  {
    name: 'httpd',
    title: 'Apache httpd',
    about: 'Web server',
    own: z.object({ version: version('2.4.63'), replicas, page }),
  },
  {
    name: 'redis',
    title: 'Redis',
    about: 'Store in memory, with a password',
    own: z.object({ version: version('7.4.2'), storage: sizeOf('2Gi') }),
  },
  { name: 'postgresql', title: 'PostgreSQL', about: 'Relational database', own: database('17.4') },
  { name: 'mariadb', title: 'MariaDB', about: 'Relational database', own: database('11.4.5') },
  { name: 'mysql', title: 'MySQL', about: 'Relational database', own: database('8.4.4') },
  {
    name: 'mongodb',
    title: 'MongoDB',
    about: 'Database of documents',
    own: z.object({
      version: version('7.0.16'),
      user: word('User', 'root', 'Its password is made up and kept in a Secret.', 12),
      storage: sizeOf('8Gi'),
    }),
  },
  {
    name: 'grafana',
    title: 'Grafana',
    about: 'Dashboards; its admin has a password that is made up',
    own: z.object({
      version: version('11.6.0'),
      source: field(z.url({ protocol: /^https?$/ }).optional(), {
        label: 'Source of its figures',
        help: 'Address of a Prometheus or InfluxDB that it reads.',
        example: 'http://prometheus.monitoring:9090',
        order: 30,
      }),
      kind: field(z.enum(['prometheus', 'influxdb']).default('prometheus'), {
        label: 'Kind of that source',
        order: 31,
      }),
      storage: sizeOf('2Gi'),
    }),
  },
  {
    name: 'jenkins',
    title: 'Jenkins',
    about: 'Builds; its admin has a password that is made up',
    own: z.object({ version: version('2.479.3-lts-jdk17'), storage: sizeOf('10Gi') }),
  },
];

/** The entry of that name. */
export function catalogueApp(name: string): CatalogueApp | undefined {
  const aliases: Record<string, string> = { postgres: 'postgresql', mongo: 'mongodb', apache: 'httpd' };
  const wanted = name.trim().toLowerCase();
  return catalogue.find((each) => each.name === (Object.hasOwn(aliases, wanted) ? aliases[wanted] : wanted));
}

/** What an app of the catalogue is asked: its own parameters and how it is reached. */
export function catalogueSchema(app: CatalogueApp): z.ZodObject {
  return app.own.extend({
    publish: field(z.enum(publishWays).default('cluster'), {
      label: 'Reached',
      help: 'cluster: inside it. nodes: on a port of every node. internal: by an address of the cloud’s own network. loadbalancer: by one that all can reach.',
      order: 40,
    }),
  });
}
