import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { MeshError } from "../base/errors.ts";
import { systemAuthorities } from "./system-authorities.ts";

/** Whom we believe to be the coordinator. */
export type CoordinatorTrust =
  /** Its own CA, checked against the fingerprint that a join token carried. */
  | { readonly kind: "pinned-ca"; readonly caPem: string; readonly fingerprint: string }
  /** Only the fingerprint so far: the CA certificate has to be fetched and compared first. */
  | { readonly kind: "fingerprint"; readonly fingerprint: string }
  /** The system's CAs (`systemAuthorities`) and the host name in the URL. */
  | { readonly kind: "system" };

/** The name in every certificate that a coordinator's own CA issues, whatever host name or address reaches it. */
const COORDINATOR_SERVER_NAME = "mesh-coordinator";

const COMMON: ConnectionOptions = { minVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"] };

export type UsableTrust = Exclude<CoordinatorTrust, { kind: "fingerprint" }>;

export function tlsOptionsFor(trust: UsableTrust, host: string): ConnectionOptions {
  if (trust.kind === "pinned-ca") return tlsOptionsForName(trust.caPem, COORDINATOR_SERVER_NAME);
  const system = { ...COMMON, ca: [...systemAuthorities()] };
  // RFC 6066 §3 knows no addresses as server names; the certificate is checked against `host` all the same.
  return isIP(host) === 0 ? { ...system, host, servername: host } : { ...system, host };
}

/** Trusts one CA, and takes its certificate for this name alone. */
export function tlsOptionsForName(ca: string, servername: string): ConnectionOptions {
  return { ...COMMON, ca, servername };
}

/**
 * The trust that `pem` earns when it is the certificate that the fingerprint (SHA-256 of the DER, hex) names.
 *
 * @throws MeshError `ca-mismatch`
 */
export function pinCa(pem: string, fingerprint: string): UsableTrust {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw new MeshError("ca-mismatch", "the coordinator's CA certificate cannot be read", { cause });
  }
  const actual = createHash("sha256").update(certificate.raw).digest("hex");
  if (actual !== fingerprint) {
    throw new MeshError(
      "ca-mismatch",
      `the coordinator's CA is not the one in the token (expected ${short(fingerprint)}, found ${short(actual)})`,
    );
  }
  return { kind: "pinned-ca", caPem: certificate.toString(), fingerprint };
}

function short(fingerprint: string): string {
  return `${fingerprint.slice(0, 16)}…`;
}
