import { randomBytes } from "node:crypto";
import { readFileSync, renameSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import type { z } from "zod";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../host/atomic-file.ts";

/** A small JSON file with a schema: written whole or not at all, mode 0600. */
export class StateFile<Schema extends z.ZodType> {
  readonly path: string;
  readonly #schema: Schema;

  constructor(path: string, schema: Schema) {
    this.path = path;
    this.#schema = schema;
  }

  /** Undefined where there is no such file. @throws MeshError `state-damaged` */
  async read(): Promise<z.output<Schema> | undefined> {
    try {
      return this.#parse(await readFile(this.path, "utf8"));
    } catch (failure) {
      return this.#absent(failure);
    }
  }

  readSync(): z.output<Schema> | undefined {
    try {
      return this.#parse(readFileSync(this.path, "utf8"));
    } catch (failure) {
      return this.#absent(failure);
    }
  }

  async write(value: z.input<Schema>): Promise<void> {
    await writeFileAtomic(this.path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  }

  /** One that is not there is as good as removed. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  /** Moves a damaged file out of the way and returns where it went. */
  setAside(): string {
    const aside = `${this.path}.corrupt-${randomBytes(4).toString("hex")}`;
    renameSync(this.path, aside);
    return aside;
  }

  #absent(failure: unknown): undefined {
    if (errnoOf(failure) === "ENOENT") return undefined;
    if (errnoOf(failure) === "EACCES") {
      throw new MeshError("not-permitted", `${this.path} belongs to another user`, { cause: failure });
    }
    throw failure;
  }

  #parse(text: string): z.output<Schema> {
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (cause) {
      throw new MeshError("state-damaged", `${this.path} is no JSON any more`, { cause });
    }
    const parsed = this.#schema.safeParse(fields);
    if (!parsed.success)
      throw new MeshError("state-damaged", `${this.path} has a wrong shape`, { cause: parsed.error });
    return parsed.data;
  }
}
