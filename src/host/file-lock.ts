import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import koffi from "koffi";
import { errnoOf, MeshError } from "../base/errors.ts";
import { EAGAIN, lastErrno, SyscallError } from "./ffi/errno.ts";

// flock(2): the lock belongs to the open file, and the kernel drops it with the process, however that ends.
const LOCK_EX = 2;
const LOCK_NB = 4;
const flock: (fd: number, operation: number) => number = koffi.load(null).func("int flock(int fd, int operation)");

/** A file that one process at a time holds. A process that is gone, even by SIGKILL, holds nothing. */
export class FileLock implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Takes the lock, or fails at once. The file is made (0600) where it is missing, and stays afterwards: its directory
   * must exist. Inside it stands the holder's process id, for people.
   *
   * @param what names the holder in the message: `"a daemon for the network mesh"`
   * @throws MeshError `already-running`, `not-permitted`
   */
  static async acquire(path: string, what: string): Promise<FileLock> {
    for (;;) {
      const file = await openLockFile(path);
      try {
        if (flock(file.fd, LOCK_EX | LOCK_NB) !== 0) throw await refusal(file, what);
        // Whoever held it before may have deleted the file: then ours is a lock on a file that nobody else finds.
        if (await isStillAt(file, path)) {
          await file.truncate(0);
          await file.write(`${process.pid}\n`, 0);
          return new FileLock(path, file);
        }
      } catch (failure) {
        await file.close();
        throw failure;
      }
      await file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (failure) {
    if (errnoOf(failure) !== "EACCES") throw failure;
    throw new MeshError("not-permitted", `${path} belongs to another user`, { cause: failure });
  }
}

async function refusal(file: FileHandle, what: string): Promise<Error> {
  const errno = lastErrno();
  if (errno !== EAGAIN) return new SyscallError("flock", errno);
  const holder = (await file.readFile("utf8")).trim();
  const process = /^\d+$/.test(holder) ? ` (process ${holder})` : "";
  return new MeshError("already-running", `${what} is running already${process}`);
}

async function isStillAt(file: FileHandle, path: string): Promise<boolean> {
  const held = await file.stat();
  try {
    const found = await stat(path);
    return found.ino === held.ino && found.dev === held.dev;
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return false;
    throw failure;
  }
}
