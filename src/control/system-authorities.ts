import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { errnoOf, MeshError } from "../base/errors.ts";

/** Where Linux distributions keep the CAs that their administrators trust, in one PEM file. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * The CAs that this machine trusts, PEM: those in the file that `SSL_CERT_FILE` names (as for OpenSSL), else the system's,
 * and Node's own where the system has none. Node by itself would know neither of the first two.
 * @throws MeshError `bad-usage` for a `SSL_CERT_FILE` that cannot be read
 */
export function systemAuthorities(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const named = environment.SSL_CERT_FILE;
  if (named !== undefined && named !== "") {
    const text = readIfThere(named);
    if (text !== undefined) return [text];
    throw new MeshError("bad-usage", `SSL_CERT_FILE: there is no file ${named}`);
  }
  for (const file of BUNDLES) {
    const text = readIfThere(file);
    if (text !== undefined) return [text];
  }
  return rootCertificates;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw new MeshError("bad-usage", `cannot read ${file}: ${errnoOf(cause) ?? cause}`, { cause });
  }
}
