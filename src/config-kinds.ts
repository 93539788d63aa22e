/** The kinds of value an environment variable can have: how its text is read, and how the documentation names it. */
import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { asFault } from './core/errors.ts';
import { parseDuration, parseQuantity } from './core/units.ts';
import { type ArchivePlace, placeForms, readPlace } from './store/archive/place.ts';
import { parseSecretKeys } from './store/seal.ts';

/** A way to read the text of a variable. */
export interface Kind<T> {
  /** What a value has to be, for the documentation and after "must be" in a problem. */
  words: string;
  schema: z.ZodType<T, string>;
  /** Whether a problem may repeat the value: not for what could hold a password even when it should not. */
  echo: boolean;
}

/** The message of an issue that has nothing to add to what the value must be. */
export const nothingToAdd = 'it is not';

/** Refuses a value, and says why when there is more to say than what it must be. */
function refuse(context: z.RefinementCtx, message = nothingToAdd): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}

/** Text of a form; `T` may narrow it. */
export function text(words: string, form: RegExp, { echo = true }: { echo?: boolean } = {}): Kind<string> {
  return { words, schema: z.string().regex(form), echo };
}

/** Any text of one line, taken as it is. */
export function anyText(words: string): Kind<string> {
  return { words, schema: z.string().regex(/^[^\r\n\0]+$/), echo: false };
}

export function choice<const T extends readonly [string, ...string[]]>(...values: T): Kind<T[number]> {
  return { words: `one of ${values.map((value) => `\`${value}\``).join(', ')}`, schema: z.enum(values), echo: true };
}

/** `on` or `off` and nothing else: no other word is bent into a truth value. */
export const onOff: Kind<boolean> = {
  words: '`on` or `off`',
  schema: z.enum(['on', 'off']).transform((value) => value === 'on'),
  echo: true,
};

export function integer(min: number, max: number): Kind<number> {
  const schema = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .refine((value) => value >= min && value <= max, nothingToAdd);
  return { words: `a whole number from ${min} to ${max}`, schema, echo: true };
}

export function positiveNumber(max: number): Kind<number> {
  const schema = z
    .string()
    .regex(/^\d{1,9}(\.\d{1,9})?$/)
    .transform(Number)
    .refine((value) => value > 0 && value <= max, nothingToAdd);
  return { words: `a number above 0, at most ${max}`, schema, echo: true };
}

/** A duration as milliseconds. `shortest` and `longest` are written as durations, too. */
export function duration(shortest: string, longest: string): Kind<number> {
  const schema = z.string().transform((value, context) => {
    const ms = parseDuration(value);
    if (ms === null || ms < (parseDuration(shortest) ?? 0) || ms > (parseDuration(longest) ?? 0)) {
      return refuse(context);
    }
    return ms;
  });
  return {
    words: `a duration such as \`90s\`, \`30m\`, \`1h\` or \`2d\` (a bare number counts as seconds), from ${shortest} to ${longest}`,
    schema,
    echo: true,
  };
}

/** Bytes, as a number or a Kubernetes quantity. */
export const bytes: Kind<number> = {
  words: 'a size in bytes, such as `2Gi`, from `16Mi` to `1Ti`',
  schema: z.string().transform((value, context) => {
    const size = parseQuantity(value);
    return size !== null && Number.isInteger(size) && size >= 2 ** 24 && size <= 2 ** 40 ? size : refuse(context);
  }),
  echo: true,
};

/** Comma-separated values of one kind; blanks around the commas are ignored, an empty piece is a mistake. */
export function list<T>(kind: Kind<T>): Kind<T[]> {
  const schema = z.string().transform((value, context) => {
    const pieces = value.split(',').map((piece) => piece.trim());
    const read = pieces.map((piece) => kind.schema.safeParse(piece));
    const wrong = read.findIndex((each) => !each.success);
    if (wrong >= 0) {
      const what = kind.echo ? ` (${shown(pieces[wrong] ?? '')})` : '';
      return refuse(context, pieces.length > 1 ? `value ${wrong + 1} of ${pieces.length}${what} is not` : nothingToAdd);
    }
    return read.flatMap((each) => (each.success ? [each.data] : []));
  });
  return { words: `one or more, separated by commas: ${kind.words}`, schema, echo: kind.echo };
}

/** A value as a problem may show it: one line, short. */
export function shown(value: string): string {
  const line = value.replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
  return `"${line.length > 60 ? `${line.slice(0, 59)}…` : line}"`;
}

/** Whether a host is this machine: what is served there needs no TLS. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare === 'localhost') return true;
  const near = new BlockList();
  near.addSubnet('127.0.0.0', 8, 'ipv4');
  near.addAddress('::1', 'ipv6');
  const family = isIP(bare);
  return family !== 0 && near.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** An https address without user, query or fragment, without the last slash; plain http only on loopback. */
export const webUrl: Kind<string> = {
  words: 'an `https://` address (plain `http://` on loopback only), without user, query or fragment',
  schema: z.string().transform((value, context) => {
    if (!URL.canParse(value) || !/^https?:\/\//.test(value)) return refuse(context);
    const url = new URL(value);
    if (url.username !== '' || url.password !== '') return refuse(context, 'it must not hold a user or password');
    if (url.search !== '' || url.hash !== '') return refuse(context, 'it must not hold a query or fragment');
    if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
      return refuse(context, 'plain http is taken on loopback only');
    }
    return url.href.replace(/\/+$/, '');
  }),
  echo: false,
};

/** `http(s)://host:port` or `host:port` of an etcd member, as a URL with its port. */
export const etcdHost: Kind<string> = {
  words: '`http://host:2379`, `https://host:2379` or `host:2379`',
  schema: z.string().transform((value, context) => {
    const found = /^(?:(https?):\/\/)?([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?\/?$/.exec(value);
    const port = Number(found?.[3] ?? 2379);
    if (!found || port < 1 || port > 65_535) {
      return refuse(context, value.includes('@') ? 'user and password have variables of their own' : nothingToAdd);
    }
    return `${found[1] ?? 'http'}://${found[2]}:${port}`;
  }),
  echo: false,
};

/** Addresses in CIDR form; a bare address is a network of one. */
export const cidr: Kind<string> = {
  words: 'networks such as `10.0.0.0/8` or `::1/128`',
  schema: z.string().refine((value) => {
    const [network = '', size, ...rest] = value.split('/');
    const family = isIP(network);
    if (family === 0 || rest.length > 0) return false;
    return size === undefined || (/^\d{1,3}$/.test(size) && Number(size) <= (family === 4 ? 32 : 128));
  }, nothingToAdd),
  echo: true,
};

/** Keys for sealing: checked here, handed on as text. */
export const secretKeys: Kind<string> = {
  words: 'keys of 32 bytes in base64 or 64 hexadecimal digits, separated by commas; the first seals, all of them open',
  schema: z.string().superRefine((value, context) => {
    try {
      parseSecretKeys(value);
    } catch (error) {
      // The fault says which of the keys is wrong and how, never what it is.
      context.addIssue({ code: 'custom', message: asFault(error).message });
    }
  }),
  echo: false,
};

/** Where backups are kept. */
export const backupPlace: Kind<ArchivePlace> = {
  words: placeForms,
  schema: z.string().transform((value, context) => {
    const read = readPlace(value);
    return typeof read === 'string' ? refuse(context, read) : read;
  }),
  echo: false,
};

const guid = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';

/** An id of Microsoft's. */
export const microsoftId = text('a GUID', new RegExp(`^${guid}$`));

/** A person: `slack:<team>:<user>`, `teams:<tenant>:<object id>` or `terminal:<name>`. */
export const person = text(
  '`slack:<team id>:<user id>`, `teams:<tenant id>:<object id>` or `terminal:<name>`',
  new RegExp(`^(?:slack:[TE][A-Z0-9]+:[UW][A-Z0-9]+|teams:${guid}:${guid}|terminal:[a-z0-9][a-z0-9._-]{0,62})$`),
);

/** Where requests for approval go; which workspace a Teams conversation belongs to follows from the tenant. */
export const approvalPlace: Kind<
  { chat: 'slack'; workspace: string; conversation: string } | { chat: 'teams'; conversation: string }
> = {
  words: '`slack:<team id>/<channel id>` or `teams:<conversation id>`',
  schema: z.string().transform((value, context) => {
    const slack = /^slack:([TE][A-Z0-9]+)\/([CDG][A-Z0-9]+)$/.exec(value);
    if (slack?.[1] && slack[2]) return { chat: 'slack' as const, workspace: slack[1], conversation: slack[2] };
    const teams = /^teams:([^\s,]{3,300})$/.exec(value);
    if (teams?.[1]) return { chat: 'teams' as const, conversation: teams[1] };
    return refuse(context);
  }),
  echo: true,
};
