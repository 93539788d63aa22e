import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configurationPage } from '../../scripts/docs/configuration.ts';
import { processOptions, serverOptions, uiOptions } from '../../scripts/docs/original-options.ts';
import { type Option, options } from '../../src/config-options.ts';

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, configurationPage.file), 'utf8');
const originals = [...serverOptions, ...processOptions, ...uiOptions];

describe('the page of the configuration', () => {
  it('is as the table of options makes it; npm run docs writes it', () => {
    expect(text).toBe(configurationPage.render());
    const checked = spawnSync(process.execPath, [join(root, 'scripts', 'docs.ts'), '--check'], { encoding: 'utf8' });
    expect(checked.stderr).not.toContain(configurationPage.file);
  });

  it('has one row for every option, with its default and whether it is a secret', () => {
    for (const [name, option] of Object.entries<Option>(options)) {
      const rows = text.split('\n').filter((line) => line.startsWith(`| \`${name}\``));
      expect(rows).toHaveLength(1);
      expect(rows[0]?.includes('(*secret*)')).toBe(option.secret === true);
      if (option.default !== undefined) expect(rows[0]).toContain(`| \`${option.default}\` |`);
    }
  });

  it('shows examples that are read as they stand', () => {
    for (const [name, option] of Object.entries<Option>(options)) {
      if (option.example !== undefined)
        expect([name, option.kind.schema.safeParse(option.example).success]).toEqual([name, true]);
    }
  });

  it('breaks no table: every row has the cells of its head', () => {
    const cells = (line: string) => line.replace(/\\\|/g, '').split('|').length;
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      if (line.startsWith('| ') && lines[index - 1]?.startsWith('|'))
        expect(cells(line)).toBe(cells(lines[index - 1] ?? ''));
    }
  });
});

describe('the options of the original KQueen', () => {
  it('are all there, each once for each of its programs', () => {
    for (const group of [serverOptions, processOptions, uiOptions]) {
      const names = group.flatMap((each) => each.names);
      expect(new Set(names).size).toBe(names.length);
    }
    const all = new Set(originals.flatMap((each) => each.names));
    for (const name of known) expect(all).toContain(name);
  });

  it('say what does it now when they were kept or renamed, and why in every case', () => {
    for (const { names, fate, now, why } of originals) {
      if (fate !== 'dropped') expect([names, now?.length ?? 0]).not.toEqual([names, 0]);
      for (const each of now ?? []) expect(Object.keys(options)).toContain(each);
      if (fate === 'kept') expect(now?.some((each) => names.some((name) => each.endsWith(name)))).toBe(true);
      expect(why).toMatch(/^\S.{15,}\.$/);
    }
  });
});

/** What the original's two base configurations and its start script name, for the table's completeness. */
const known =
  `DEBUG LOG_LEVEL LOG_CONFIG KQUEEN_HOST KQUEEN_PORT POOL_MAX_WORKERS SECRET_KEY ETCD_HOST ETCD_PORT ETCD_PREFIX
KS_FILES_PATH KS_KUBESPRAY_PATH KS_SSH_CMD KS_SSH_KEYGEN_CMD KS_ANSIBLE_CMD KS_ANSIBLE_PLAYBOOK_CMD KS_DEFAULT_NAMESERVERS
JWT_DEFAULT_REALM JWT_AUTH_URL_RULE JWT_EXPIRATION_DELTA JWT_AUTH_HEADER_PREFIX BCRYPT_ROUNDS CLUSTER_ERROR_STATE CLUSTER_OK_STATE
CLUSTER_PROVISIONING_STATE CLUSTER_DEPROVISIONING_STATE CLUSTER_UPDATING_STATE CLUSTER_UNKNOWN_STATE CLUSTER_STATE_ON_LIST
PROVISIONER_ERROR_STATE PROVISIONER_OK_STATE PROVISIONER_UNKNOWN_STATE PROVISIONER_ENGINE_WHITELIST PROVISIONER_STATE_ON_LIST
PROVISIONER_TIMEOUT PROMETHEUS_WHITELIST AUTH_MODULES LDAP_URI LDAP_DN LDAP_PASSWORD JENKINS_API_URL JENKINS_PROVISION_JOB_NAME
JENKINS_PROVISION_JOB_CTX JENKINS_DEPROVISION_JOB_NAME JENKINS_DEPROVISION_JOB_CTX JENKINS_PARAMETER_MAP JENKINS_USERNAME
JENKINS_PASSWORD CACHE PRELOADER HOST PORT PUBLIC_ENDPOINT KQUEEN_API_URL KQUEEN_AUTH_URL BABEL_DEFAULT_TIMEZONE
BABEL_DEFAULT_LOCALE ENABLE_ADDONS ENABLE_PUBLIC_REGISTRATION KQUEEN_SERVICE_USER_USERNAME KQUEEN_SERVICE_USER_PASSWORD MAIL_SERVER
MAIL_PORT MAIL_CONN_TIMEOUT MAIL_USE_SSL MAIL_SSL_KEYFILE MAIL_SSL_CERTFILE MAIL_USERNAME MAIL_PASSWORD MAIL_DEFAULT_SENDER
CLUSTER_TRANSIENT_STATES LDAP_AUTH_NOTIFY LOCAL_AUTH_NOTIFY AUTH_OPTIONS SECURITY_PASSWORD_SALT BOOTSTRAP_ADMIN
BOOTSTRAP_ADMIN_USERNAME BOOTSTRAP_ADMIN_PASSWORD BOOTSTRAP_ADMIN_ORGANIZATION BOOTSTRAP_ADMIN_NAMESPACE KQUEEN_CONFIG_FILE`.split(
    /\s+/,
  );
