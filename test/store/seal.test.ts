import { randomBytes } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { openEmbeddedDriver } from '../../src/store/embedded.ts';
import { reseal } from '../../src/store/reseal.ts';
import { openSealer, parseSecretKeys, secretKey } from '../../src/store/seal.ts';
import { makeSecretKeyFile, readSecretKeyFile, secretKeyFile } from '../../src/store/secret-key-file.ts';
import { openStore } from '../../src/store/store.ts';
import { realClock } from './clocks.ts';
import { secretRef, temporaryFolder } from './parts.ts';

const keyOne = secretKey(randomBytes(32));
const keyTwo = secretKey(randomBytes(32));
const ref = secretRef('kubeconfig.c1');

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    return error as Fault;
  }
  throw new Error('nothing was thrown');
}

describe('sealing', () => {
  it('gives back what was sealed, for any text', () => {
    const sealer = openSealer([keyOne]);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const sealed = sealer.seal(ref, text);
        // UTF-8 has no half surrogates; what is text at all comes back.
        expect(sealer.open(ref, sealed)).toBe(text.toWellFormed());
        if (text.length > 8) expect(sealed).not.toContain(text);
      }),
    );
  });

  it('seals the same text differently each time', () => {
    const sealer = openSealer([keyOne]);
    expect(sealer.seal(ref, 'same')).not.toBe(sealer.seal(ref, 'same'));
  });

  it('opens no text of which any one character was altered', () => {
    const sealer = openSealer([keyOne]);
    const sealed = sealer.seal(ref, 'the canary sings');
    for (let at = 0; at < sealed.length; at += 1) {
      const altered = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
      const fault = faultOf(() => sealer.open(ref, altered));
      expect(fault.kind).toBe('internal');
      expect(JSON.stringify({ ...fault, message: fault.message })).not.toContain('canary');
    }
    expect(() => sealer.open(ref, '')).toThrow(Fault);
    expect(() => sealer.open(ref, sealed.slice(0, 30))).toThrow(Fault);
  });

  it('opens no text in another record or organisation', () => {
    const sealer = openSealer([keyOne]);
    const sealed = sealer.seal(ref, 'mine');
    expect(faultOf(() => sealer.open(secretRef('kubeconfig.c2'), sealed)).kind).toBe('internal');
    expect(faultOf(() => sealer.open(secretRef('kubeconfig.c1', 'other'), sealed)).kind).toBe('internal');
  });

  it('says which key is missing, and opens with any of its keys', () => {
    const sealed = openSealer([keyOne]).seal(ref, 'old');
    const fault = faultOf(() => openSealer([keyTwo]).open(ref, sealed));
    expect(fault.kind).toBe('internal');
    expect(fault.detail).toContain(keyOne.id);
    const both = openSealer([keyTwo, keyOne]);
    expect(both.open(ref, sealed)).toBe('old');
    expect(both.current(sealed)).toBe(false);
    expect(both.current(both.seal(ref, 'new'))).toBe(true);
  });
});

describe('configured keys', () => {
  it('are read as base64 or hexadecimal digits, several at once', () => {
    const [a, b] = [randomBytes(32), randomBytes(32)];
    const keys = parseSecretKeys(`${a.toString('base64')}, ${b.toString('hex')}\n`);
    expect(keys.map(({ key }) => key)).toEqual([a, b]);
  });

  it('are refused by number, without being repeated', () => {
    const good = randomBytes(32).toString('base64');
    const fault = faultOf(() => parseSecretKeys(`${good},hunter2hunter2`));
    expect(fault.kind).toBe('bad-input');
    expect(fault.message).toContain('number 2');
    expect(`${fault.message} ${fault.detail} ${fault.next}`).not.toContain('hunter2');
    expect(faultOf(() => parseSecretKeys(' ')).kind).toBe('bad-input');
    expect(faultOf(() => parseSecretKeys(`${good} ${good}`)).message).toContain('twice');
  });
});

describe('the key file', () => {
  it('is made once, readable by its owner alone, and nothing else stays behind', () => {
    const dir = temporaryFolder();
    expect(readSecretKeyFile(dir)).toBeUndefined();
    const made = makeSecretKeyFile(dir);
    expect(makeSecretKeyFile(dir)).toEqual(made);
    expect(readSecretKeyFile(dir)).toEqual(made);
    expect(statSync(join(dir, secretKeyFile)).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual([secretKeyFile]);
  });

  it('is refused when others may read it or it is broken, without being quoted', () => {
    const dir = temporaryFolder();
    makeSecretKeyFile(dir);
    const path = join(dir, secretKeyFile);
    const text = readFileSync(path, 'utf8');
    chmodSync(path, 0o644);
    expect(faultOf(() => readSecretKeyFile(dir)).next).toContain('chmod 600');
    chmodSync(path, 0o600);
    writeFileSync(path, text.slice(0, 20));
    const fault = faultOf(() => readSecretKeyFile(dir));
    expect(fault.message).not.toContain(text.slice(0, 20));
  });
});

it('a rotation seals every secret again, leaves what no key opens, and may be repeated', async () => {
  const driver = openEmbeddedDriver({ dir: temporaryFolder(), clock: realClock, log: silentLog });
  const store = openStore(driver, { prefix: '/kqueen', log: silentLog });
  const lost = openSealer([secretKey(randomBytes(32))]);
  const before = openSealer([keyOne]);
  for (let index = 0; index < 250; index += 1) {
    const each = secretRef(`kubeconfig.c${index}`);
    const sealed = (index === 77 ? lost : before).seal(each, `secret ${index}`);
    await store.commit([{ op: 'put', ref: each, record: { v: 1, id: each.id, org: each.org, sealed }, if: 0 }]);
  }
  const sealer = openSealer([keyTwo, keyOne]);
  const seen: number[] = [];
  const options = {
    store,
    sealer,
    orgs: ['default'],
    log: silentLog,
    onProgress: (p: { seen: number }) => seen.push(p.seen),
  };
  expect(await reseal(options)).toEqual({ seen: 250, resealed: 249, failed: 1 });
  expect(seen).toEqual([100, 200, 250]);
  expect(await reseal(options)).toEqual({ seen: 250, resealed: 0, failed: 1 });
  const after = openSealer([keyTwo]);
  const stored = await store.get(secretRef('kubeconfig.c123'));
  expect(after.open(secretRef('kubeconfig.c123'), stored?.record.sealed ?? '')).toBe('secret 123');
  await store.close();
});
