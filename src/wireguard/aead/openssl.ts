import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import koffi from "koffi";
import { PACKAGE_ROOT } from "../../base/package-root.ts";
import type { AeadProvider, Opener, Sealer } from "./provider.ts";

/** `aead_batch_version()` of native/aead-batch.c that the signatures below belong to. */
const LIBRARY_VERSION = 1;

/** Where the library may stand: one built on this machine goes first. */
const LIBRARY_FOLDERS = ["native/build/", "native/prebuilt/"];

type Context = object;

interface AeadBatch {
  newContext(key: Uint8Array, encrypt: number): Context | null;
  freeContext(context: Context): void;
  sealBatch(
    context: Context,
    arena: Uint8Array,
    arenaBytes: number,
    offset: number,
    strideBytes: number,
    count: number,
    lastBytes: number,
    firstCounter: number,
  ): number;
  openBatch(
    context: Context,
    arena: Uint8Array,
    arenaBytes: number,
    offset: number,
    totalBytes: number,
    strideBytes: number,
    verdicts: Uint8Array,
    verdictsBytes: number,
  ): number;
}

/**
 * The OpenSSL that Node carries, a whole run a call, through native/aead-batch.c. Throws when there is no library for
 * this platform or it cannot be loaded.
 */
export function loadOpensslProvider(path: string = findLibrary()): AeadProvider {
  const library = koffi.load(path);
  const version: unknown = library.func("int aead_batch_version(void)")();
  if (version !== LIBRARY_VERSION) throw new Error(`${path} has version ${version}, wanted is ${LIBRARY_VERSION}`);
  const batch: AeadBatch = {
    newContext: library.func("void *aead_context_new(const uint8_t *key, int encrypt)"),
    freeContext: library.func("void aead_context_free(void *context)"),
    sealBatch: library.func(
      "int aead_seal_batch(void *context, void *arena, uint64_t arena_bytes, uint64_t offset, uint32_t stride, uint32_t count, uint32_t last_bytes, uint64_t first_counter)",
    ),
    openBatch: library.func(
      "int aead_open_batch(void *context, void *arena, uint64_t arena_bytes, uint64_t offset, uint64_t total_bytes, uint32_t stride, void *verdicts, uint64_t verdicts_bytes)",
    ),
  };
  return {
    name: "openssl",
    createSealer: (key) => new OpensslSealer(batch, key),
    createOpener: (key) => new OpensslOpener(batch, key),
  };
}

function findLibrary(): string {
  for (const folder of LIBRARY_FOLDERS) {
    const url = new URL(`${folder}${process.platform}-${process.arch}/aead-batch.so`, PACKAGE_ROOT);
    const path = fileURLToPath(url);
    if (existsSync(path)) return path;
  }
  throw new Error(`no aead-batch library for ${process.platform}-${process.arch}`);
}

/** Owns one cipher context, which holds its own copy of the key; OpenSSL wipes it when the context is freed. */
class CipherContext {
  readonly #batch: AeadBatch;
  #context: Context | undefined;

  constructor(batch: AeadBatch, key: Uint8Array, encrypt: boolean) {
    const context = batch.newContext(key, encrypt ? 1 : 0);
    if (context === null) throw new Error("OpenSSL makes no ChaCha20-Poly1305 context");
    this.#batch = batch;
    this.#context = context;
  }

  get(): Context {
    if (this.#context === undefined) throw new Error("the cipher context is disposed of");
    return this.#context;
  }

  dispose(): void {
    if (this.#context === undefined) return;
    this.#batch.freeContext(this.#context);
    this.#context = undefined;
  }
}

class OpensslSealer implements Sealer {
  readonly #batch: AeadBatch;
  readonly #context: CipherContext;

  constructor(batch: AeadBatch, key: Uint8Array) {
    this.#batch = batch;
    this.#context = new CipherContext(batch, key, true);
  }

  seal(
    arena: Uint8Array,
    offset: number,
    strideBytes: number,
    count: number,
    lastBytes: number,
    firstCounter: number,
  ): void {
    const sealed = this.#batch.sealBatch(
      this.#context.get(),
      arena,
      arena.length,
      offset,
      strideBytes,
      count,
      lastBytes,
      firstCounter,
    );
    assertDone(sealed);
  }

  dispose(): void {
    this.#context.dispose();
  }
}

class OpensslOpener implements Opener {
  readonly #batch: AeadBatch;
  readonly #context: CipherContext;

  constructor(batch: AeadBatch, key: Uint8Array) {
    this.#batch = batch;
    this.#context = new CipherContext(batch, key, false);
  }

  open(arena: Uint8Array, offset: number, totalBytes: number, strideBytes: number, verdicts: Uint8Array): number {
    const opened = this.#batch.openBatch(
      this.#context.get(),
      arena,
      arena.length,
      offset,
      totalBytes,
      strideBytes,
      verdicts,
      verdicts.length,
    );
    assertDone(opened);
    return opened;
  }

  dispose(): void {
    this.#context.dispose();
  }
}

/** Negative results are faults of the caller (bounds) or of the library; a forged message is neither. */
function assertDone(result: number): void {
  if (result === -1) throw new RangeError("the run of messages does not fit the arena");
  if (result < 0) throw new Error(`the AEAD batch library failed (${result})`);
}
