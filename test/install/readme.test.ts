/** What README.md promises of installing in Slack. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { installPath } from '../../src/bot/slack/install.ts';
import { readConfig } from '../../src/config.ts';

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'README.md'), 'utf8');
const section = text.split('\n## ').find((each) => each.startsWith('Install in Slack')) ?? '';

test('it takes at most five actions, and the README counts them', () => {
  const actions = section.split('\n').filter((line) => /^\d+\. /.test(line));
  expect(actions.length).toBeGreaterThan(0);
  expect(actions.length).toBeLessThanOrEqual(5);
  expect(actions.map((line) => Number(line.split('.')[0]))).toEqual(actions.map((_, index) => index + 1));
  expect(section).toMatch(/^Install in Slack\n\nFive actions from nothing to the first answer\./);
  expect(actions.at(-1)).toContain('/kqueen help');
  expect(section).toContain(`\`${installPath}\``);
});

test('what it says to set is enough, with nothing that is set wrongly', () => {
  const named = [...section.matchAll(/\b([A-Z][A-Z_]+)=(?:…|https|\$)/g)].map(([, name = '']) => name);
  const values: Record<string, string> = {
    SLACK_CLIENT_ID: '123.456',
    SLACK_CLIENT_SECRET: 'c11e47c11e47',
    SLACK_SIGNING_SECRET: 'f00f00f00f00',
    KQUEEN_PUBLIC_URL: 'https://kqueen.example.com',
    KQUEEN_SECRET_KEYS: Buffer.alloc(32, 7).toString('base64'),
  };
  expect(named.sort()).toEqual(Object.keys(values).sort());
  expect(readConfig(values).slack?.oauth).toBeDefined();
});

test('the manifest is a file to paste: every address in it is one to put an own in place of', () => {
  const manifest = JSON.stringify(parse(readFileSync(join(root, 'manifest.yml'), 'utf8')));
  const hosts = [...manifest.matchAll(/https:\/\/([^/"]+)/g)].map(([, host]) => host);
  expect(new Set(hosts)).toEqual(new Set(['kqueen.example.com']));
});
