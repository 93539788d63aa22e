import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** PEM texts of a server certificate for 127.0.0.1 and localhost and its key; it signs itself, so `ca` equals `cert`. */
export type TestCertificate = { ca: string; cert: string; key: string };

/**
 * Makes a throw-away certificate that is valid for an hour around now: X.509 v3 (RFC 5280) on P-256, written in DER by hand,
 * so that the tests' proxies do not lean on the library that the sandbox provider makes its certificates with. With a name it is for that host
 * and for no other.
 */
export function makeTestCertificate(name?: string): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)); // ecdsa-with-SHA256
  // No two have the same name: in one bundle the wrong one would be taken for the issuer.
  const commonName = `kqueen test proxy ${randomBytes(8).toString('hex')}`;
  const subject = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, commonName))));
  const minutesFromNow = (minutes: number) => der(0x17, utcTime(new Date(Date.now() + minutes * 60_000)));
  const extension = (id: number, value: Buffer) => sequence(oid(0x55, 0x1d, id), der(0x04, value));
  const here = sequence(der(0x87, Buffer.from([127, 0, 0, 1])), der(0x82, 'localhost'));
  const extensions = sequence(
    extension(0x13, sequence(der(0x01, Buffer.from([0xff])))), // basicConstraints: an authority
    extension(0x11, name ? sequence(der(0x82, name)) : here), // subjectAltName
    extension(0x25, sequence(oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01))), // extKeyUsage: serverAuth
  );
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1])),
    signature,
    subject,
    sequence(minutesFromNow(-30), minutesFromNow(30)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signed = sequence(
    body,
    signature,
    der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])),
  );
  const lines = signed.toString('base64').replace(/(.{64})(?=.)/g, '$1\n');
  const cert = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  return { ca: cert, cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** One DER value: tag, length, content. */
function der(tag: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  const length =
    bytes.length < 128
      ? [bytes.length]
      : bytes.length < 256
        ? [0x81, bytes.length]
        : [0x82, bytes.length >> 8, bytes.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(...encoded: number[]): Buffer {
  return der(0x06, Buffer.from(encoded));
}

function utcTime(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`;
}
