import { describe, expect, it } from 'vitest';
import { openLog } from '../../src/log.ts';

/** A log into memory, and its lines as objects. */
function logOf(options: { level?: 'debug' | 'info' | 'warn' | 'error'; readable?: boolean } = {}) {
  const lines: string[] = [];
  const log = openLog({ level: 'debug', readable: false, ...options, write: (line) => lines.push(line) });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const canary = 'c4n4ryc4n4ry0123456789';
const pem = `-----BEGIN EC PRIVATE KEY-----\n${canary}\n-----END EC PRIVATE KEY-----`;
const jwt = `eyJhbGciOiJub25lIn0.eyJ${canary}.${canary}`;

describe('the log', () => {
  it('writes one JSON object a line, with level, time, message and fields, and keeps what a child carries', () => {
    const { log, records } = logOf();
    log.child({ job: 'k3f9' }).child({ tick: 2 }).warn({ engine: 'sandbox' }, 'the provider is slow');
    expect(records()).toEqual([
      {
        level: 40,
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        job: 'k3f9',
        tick: 2,
        engine: 'sandbox',
        msg: 'the provider is slow',
      },
    ]);
  });

  it('leaves out what is below its level', () => {
    const { log, records } = logOf({ level: 'warn' });
    log.debug({}, 'a');
    log.info({}, 'b');
    log.warn({}, 'c');
    log.error({}, 'd');
    expect(records().map(({ msg }) => msg)).toEqual(['c', 'd']);
  });

  it('writes short readable lines for a terminal, each of them one line', () => {
    const { log, lines } = logOf({ readable: true });
    log.error({ job: 'k3f9', why: 'a\nb' }, 'it failed');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d ERROR it failed \{"job":"k3f9","why":"a\\nb"\}\n$/);
  });

  it.each([
    ['token', canary],
    ['botToken', canary],
    ['SLACK_SIGNING_SECRET', canary],
    ['MicrosoftAppPassword', canary],
    ['KQUEEN_SECRET_KEYS', canary],
    ['authorization', canary],
    ['x-api-key', canary],
    ['kubeconfig', canary],
    ['privateKey', { pem: canary }],
    ['credentials', [canary]],
    ['text', `xoxb-1-${canary}`],
    ['text', `SLACK says xapp-1-${canary}`],
    ['text', `authorization: Bearer ${canary}`],
    ['text', `password=${canary}`],
    ['text', `os_password: "${canary}"`],
    ['text', `client-key-data: ${canary}`],
    ['text', `redis://user:${canary}@redis.example.com:6379`],
    ['text', pem],
    ['text', `before\n${pem}\nafter`],
    ['text', jwt],
  ])('writes no secret: field %s, value %j', (name, value) => {
    const { log, lines } = logOf();
    log.info({ [name]: value }, 'as a field');
    log.info({ deep: { er: [{ [name]: value }] } }, 'within others');
    log.child({ [name]: value }).info({}, 'of a child');
    if (typeof value === 'string' && name === 'text') {
      log.info({}, value);
      log.error({ error: new Error(value) }, 'as an error');
      log.error({ error: Object.assign(new Error('outer'), { stack: `Error: ${value}\n    at x` }) }, 'as a stack');
    }
    expect(lines.length).toBeGreaterThanOrEqual(3);
    expect(lines.join('')).not.toContain(canary);
    expect(lines.join('')).toContain('•••');
  });

  it('takes deep, long and looping fields as they come', () => {
    const { log, records } = logOf();
    const loop: Record<string, unknown> = { name: 'loop' };
    loop.self = loop;
    log.info({ loop, many: Array.from({ length: 1_000 }, (_, n) => n), none: undefined, nothing: null }, 'odd ones');
    const [record] = records();
    expect(record?.loop).toMatchObject({ name: 'loop', self: { name: 'loop' } });
    expect(record?.many).toHaveLength(50);
    expect(record?.nothing).toBeNull();
  });
});
