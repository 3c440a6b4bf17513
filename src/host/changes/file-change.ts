import { constants } from "node:fs";
import { chmod, chown, lstat, open, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { syncDirectory } from "../atomic-file.ts";

/** What stands under a name. Texts are bytes, one a character. */
export const fileStateSchema = z.discriminatedUnion("is", [
  z.object({ is: z.literal("nothing") }),
  z.object({ is: z.literal("link"), target: z.string() }),
  z.object({
    is: z.literal("file"),
    text: z.string(),
    mode: z.number().int(),
    uid: z.number().int(),
    gid: z.number().int(),
  }),
]);
export type FileState = z.output<typeof fileStateSchema>;

export const fileChangeSchema = z.object({
  kind: z.literal("file"),
  path: z.string(),
  before: fileStateSchema,
  /** The text of a plain file that everybody may read. */
  after: z.string(),
});
export type FileChange = z.output<typeof fileChangeSchema>;

export async function readFileState(path: string): Promise<FileState> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return { is: "link", target: await readlink(path) };
    return {
      is: "file",
      text: await readFile(path, "latin1"),
      mode: stats.mode & 0o7777,
      uid: stats.uid,
      gid: stats.gid,
    };
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return { is: "nothing" };
    throw failure;
  }
}

/** @throws MeshError `host-change-failed`; nothing has changed then */
export function makeFile({ path, after }: FileChange): Promise<void> {
  return put(path, { is: "file", text: after, mode: 0o644, uid: 0, gid: 0 });
}

/** Puts back what was there. Somebody who has put something else there since is right. @throws as `makeFile` */
export async function unmakeFile({ path, before, after }: FileChange): Promise<void> {
  await rm(temporaryOf(path), { force: true });
  const now = await readFileState(path);
  if (now.is !== "file") return;
  // A writer that was killed in the middle of a file that cannot be replaced left the beginning of ours, or of theirs.
  const isTornOldOne = before.is === "file" && before.text !== now.text && before.text.startsWith(now.text);
  if (after.startsWith(now.text) || isTornOldOne) await put(path, before);
}

function temporaryOf(path: string): string {
  return `${path}.mesh-new`;
}

/** At once or not at all, but where the file is a mount of its own, as in containers: that one is written as it stands. */
async function put(path: string, state: FileState): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    await rm(temporary, { force: true });
    if (state.is === "nothing") {
      await rm(path, { force: true });
    } else {
      if (state.is === "link") await symlink(state.target, temporary);
      else await writeWhole(temporary, state.text, constants.O_CREAT | constants.O_EXCL);
      if (state.is === "file") {
        await chown(temporary, state.uid, state.gid);
        await chmod(temporary, state.mode);
      }
      await rename(temporary, path).catch(async (failure: unknown) => {
        if (errnoOf(failure) !== "EBUSY" || state.is !== "file") throw failure;
        await writeWhole(path, state.text, constants.O_TRUNC);
        await rm(temporary, { force: true });
      });
    }
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new MeshError("host-change-failed", `${path} cannot be written (${errnoOf(cause) ?? cause})`, { cause });
  }
}

async function writeWhole(path: string, text: string, flags: number): Promise<void> {
  const file = await open(path, constants.O_WRONLY | flags, 0o600);
  try {
    await file.writeFile(text, "latin1");
    await file.sync();
  } finally {
    await file.close();
  }
}
