import { errnoOf, MeshError } from "../base/errors.ts";

const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EACCES",
  "EPERM",
]);
const NAME_UNKNOWN = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME"]);
const CUT_OFF = new Set(["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"]);
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "HOSTNAME_MISMATCH",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);
/** The signature on the certificate does not come from the CA that the token names: somebody else answers there. */
const FOREIGN_CA = new Set([
  "CERT_SIGNATURE_FAILURE",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

/** What a failed connection attempt says about the other end; `not-tls` needs a second look to be told from plain HTTP. */
export type ConnectionFailure = MeshError | { readonly kind: "not-tls"; readonly cause: unknown };

/** `url` names the coordinator in the message; `pinned` tells whether its CA was pinned. */
export function classifyConnectionFailure(thrown: unknown, url: string, pinned: boolean): ConnectionFailure {
  if (thrown instanceof MeshError) return thrown;
  const cause = firstOf(thrown);
  const code = errnoOf(cause);
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (code === undefined) return new MeshError("coordinator-unreachable", `cannot reach ${url}: ${detail}`, { cause });
  if (code === "ABORT_ERR") return new MeshError("interrupted", `interrupted while talking to ${url}`, { cause });
  if (code === "ETIMEDOUT") return new MeshError("timeout", `${url} did not answer in time`, { cause });
  if (NAME_UNKNOWN.has(code)) {
    return new MeshError("coordinator-unreachable", `cannot reach ${url}: the host name is not known (${code})`, {
      hint: "Check the spelling, and that this machine can resolve names.",
      cause,
    });
  }
  if (UNREACHABLE.has(code)) {
    return new MeshError("coordinator-unreachable", `cannot reach ${url}: ${describeErrno(code)}`, { cause });
  }
  if (pinned && FOREIGN_CA.has(code)) {
    return new MeshError("ca-mismatch", `the certificate of ${url} was not issued by the CA in the token`, { cause });
  }
  if (UNTRUSTED.has(code)) {
    return new MeshError("certificate-untrusted", `the certificate of ${url} is not trusted: ${detail}`, { cause });
  }
  if (CUT_OFF.has(code)) return { kind: "not-tls", cause };
  if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_"))
    return { kind: "not-tls", cause };
  if (code.startsWith("HPE_")) return notACoordinator(url, "what answers there is no web server", cause);
  return new MeshError("coordinator-unreachable", `cannot reach ${url}: ${detail}`, { cause });
}

export function notACoordinator(url: string, why: string, cause?: unknown): MeshError {
  return new MeshError("not-a-coordinator", `${url} is not a mesh coordinator: ${why}`, { cause });
}

/** Connecting to a name with several addresses fails with all the failures together; the first is the telling one. */
function firstOf(thrown: unknown): unknown {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return firstOf(thrown.errors[0]);
  return thrown;
}

function describeErrno(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "nothing listens on that port (ECONNREFUSED)";
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
      return "the host does not answer (EHOSTUNREACH)";
    case "ENETUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
      return "there is no route to it (ENETUNREACH)";
    default:
      return `the system refused the connection (${code})`;
  }
}
