// The X.509 library registers its parts through metadata decorators, so the polyfill has to be there before it.
import "reflect-metadata";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";
import { relayServerName } from "../../api/relay.ts";
import { MeshError } from "../../base/errors.ts";

/**
 * Our own certificate authority (X.509, RFC 5280): ECDSA P-256 throughout. Peers trust this CA alone and connect with
 * the server name `mesh-coordinator`, so the coordinator's address may change without a new certificate. A relay's
 * certificate names that relay and nothing else: it cannot pass for the coordinator, nor for another relay.
 */
const COORDINATOR_SERVER_NAME = "mesh-coordinator";

const DAY_MS = 86_400_000;
const AUTHORITY_LIFETIME_MS = 3653 * DAY_MS;
const SERVER_LIFETIME_MS = 90 * DAY_MS;
/** A certificate is renewed while this much of its life is left. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
/** Peers' clocks may be slow. */
const BACKDATE_MS = DAY_MS;
const MAX_NAMES = 100;

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" } as const;

/** PEM texts; `fingerprint` is SHA-256 of the certificate's DER, in hex. */
export interface Authority {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly fingerprint: string;
  readonly notAfterMs: number;
}

export interface ServerCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** From here on a new one is due. */
  readonly renewAtMs: number;
}

export async function createAuthority(networkName: string, nowMs: number): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const notAfterMs = nowMs + AUTHORITY_LIFETIME_MS;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: randomSerial(),
      name: [{ CN: [`mesh CA of ${networkName}`] }],
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(notAfterMs),
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return {
    certificatePem: certificate.toString("pem"),
    privateKeyPem: await exportPrivateKey(keys.privateKey),
    fingerprint: createHash("sha256").update(new Uint8Array(certificate.rawData)).digest("hex"),
    notAfterMs,
  };
}

/** Issues a certificate for `mesh-coordinator`, the loopback names and `hosts` (names or IP addresses). */
export async function issueServerCertificate(
  authority: Authority,
  hosts: readonly string[],
  nowMs: number,
): Promise<ServerCertificate> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const names = [...new Set([COORDINATOR_SERVER_NAME, "localhost", "127.0.0.1", "::1", ...hosts])];
  const { certificatePem, notAfterMs } = await issue(authority, keys.publicKey, names.slice(0, MAX_NAMES), nowMs);
  return {
    certificatePem,
    privateKeyPem: await exportPrivateKey(keys.privateKey),
    renewAtMs: notAfterMs - RENEW_BEFORE_MS,
  };
}

/**
 * A certificate for a relay's own key, PEM.
 * @param publicKey SubjectPublicKeyInfo, DER, of an ECDSA key on P-256
 * @throws MeshError `bad-key`
 */
export async function issueRelayCertificate(
  authority: Authority,
  relayId: string,
  publicKey: Uint8Array,
  nowMs: number,
): Promise<string> {
  let key: WebKey;
  try {
    key = await webcrypto.subtle.importKey("spki", publicKey, KEY_ALGORITHM, true, ["verify"]);
  } catch (cause) {
    throw new MeshError("bad-key", "the relay's TLS key is no ECDSA key on P-256", { cause });
  }
  return (await issue(authority, key, [relayServerName(relayId)], nowMs)).certificatePem;
}

/** A server certificate of our CA for `names`, the first of which is its subject. */
async function issue(
  authority: Authority,
  publicKey: WebKey,
  names: readonly string[],
  nowMs: number,
): Promise<{ readonly certificatePem: string; readonly notAfterMs: number }> {
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const signingKey = await importPrivateKey(authority.privateKeyPem);
  const notAfterMs = Math.min(nowMs + SERVER_LIFETIME_MS, authority.notAfterMs);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: randomSerial(),
      subject: [{ CN: [names[0] ?? ""] }],
      issuer: issuer.subjectName,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(notAfterMs),
      publicKey,
      signingKey,
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificatePem: certificate.toString("pem"), notAfterMs };
}

type WebKey = Parameters<typeof webcrypto.subtle.exportKey>[1];

async function exportPrivateKey(key: WebKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", key);
  return x509.PemConverter.encode(pkcs8, "PRIVATE KEY");
}

async function importPrivateKey(pem: string): Promise<WebKey> {
  const pkcs8 = x509.PemConverter.decodeFirst(pem);
  return webcrypto.subtle.importKey("pkcs8", pkcs8, KEY_ALGORITHM, false, ["sign"]);
}

/** 127 random bits: positive (RFC 5280 §4.1.2.2), never repeated. */
function randomSerial(): string {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial.toString("hex");
}
