import './reflect.ts';
import type { webcrypto } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 24 * 3600 * 1000;

/** PEM texts of a server's certificate and key, and of the authority that signed it. */
export type ServerCertificate = { ca: string; caFile: string; cert: string; key: string };

type Authority = { certificate: x509.X509Certificate; key: webcrypto.CryptoKey; file: string };

/**
 * The sandbox's own authority, kept in the data directory so that kubeconfigs stay valid over restarts, and a fresh
 * server certificate for this start. `hosts` are names or addresses beside localhost, 127.0.0.1 and ::1.
 */
export async function certificates(directory: string, hosts: readonly string[]): Promise<ServerCertificate> {
  const authority = await openAuthority(directory);
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const names = [...new Set(['localhost', '127.0.0.1', '::1', ...hosts])];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: 'CN=KQueen sandbox',
    issuer: authority.certificate.subject,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + 365 * DAY),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
    ],
  });
  return {
    ca: authority.certificate.toString('pem'),
    caFile: authority.file,
    cert: certificate.toString('pem'),
    key: await privatePem(keys.privateKey),
  };
}

async function openAuthority(directory: string): Promise<Authority> {
  const file = join(directory, 'ca.pem');
  const keyFile = join(directory, 'ca-key.pem');
  if (existsSync(file) && existsSync(keyFile)) {
    const certificate = new x509.X509Certificate(readFileSync(file, 'utf8'));
    if (certificate.notAfter.getTime() > Date.now() + 366 * DAY) {
      const der = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
      const key = await crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
      return { certificate, key, file };
    }
  }
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=KQueen sandbox authority',
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + 3650 * DAY),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  writeFileSync(keyFile, await privatePem(keys.privateKey), { mode: 0o600 });
  writeFileSync(file, certificate.toString('pem'));
  return { certificate, key: keys.privateKey, file };
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

/** A positive serial number of 16 random bytes, in hex. */
function serial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
