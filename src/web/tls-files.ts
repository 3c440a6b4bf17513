import { readFile } from "node:fs/promises";
import { errnoOf, MeshError } from "../base/errors.ts";
import type { TlsMaterial } from "./listeners.ts";

/** @throws MeshError `bad-config` */
export async function readTlsFiles(files: {
  readonly certFile: string;
  readonly keyFile: string;
}): Promise<TlsMaterial> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, "utf8");
    } catch (cause) {
      throw new MeshError("bad-config", `cannot read ${path}: ${errnoOf(cause) ?? cause}`, { cause });
    }
  };
  return { certificatePem: await read(files.certFile), privateKeyPem: await read(files.keyFile) };
}
