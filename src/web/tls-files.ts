import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { errnoOf, MeshError } from "../base/errors.ts";
import type { TlsMaterial } from "./listeners.ts";

/** PEM; the certificate with its chain, its own first. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws MeshError `bad-config`, also for a key of another certificate */
export async function readTlsFiles(files: TlsFiles): Promise<TlsMaterial> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, "utf8");
    } catch (cause) {
      throw new MeshError("bad-config", `cannot read ${path}: ${errnoOf(cause) ?? cause}`, { cause });
    }
  };
  const [cert, key] = [await read(files.certFile), await read(files.keyFile)];
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw new MeshError("bad-config", `${files.certFile} and ${files.keyFile} are no certificate with its key`, {
      cause,
    });
  }
  return { certificatePem: cert, privateKeyPem: key };
}
