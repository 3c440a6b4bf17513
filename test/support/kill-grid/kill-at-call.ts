import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whatever changes a file, its name or what of it is on the disk; none of the older ones is there on every processor. */
const CALLS = [
  "openat,write,pwrite64,writev,ftruncate,fsync,fdatasync,?rename,?renameat,renameat2",
  "?unlink,unlinkat,?mkdir,mkdirat,?symlink,symlinkat,?link,linkat,fchmod,fchmodat,fchown,fchownat,copy_file_range",
].join();

/** One of the calls of a thread: the `ordinal`-th of that name since the tracer came. */
export interface FileCall {
  readonly name: string;
  readonly ordinal: number;
  /** As strace writes it. */
  readonly text: string;
}

/** All but those that only look: what is on the disk after them is what was before. */
export function isChange({ text }: FileCall): boolean {
  return !text.includes("O_RDONLY");
}

/** So that its calls come in the same order each time: all that Node does with files is done by one thread. */
export const ONE_THREAD = { UV_THREADPOOL_SIZE: "1" };

/**
 * Runs `work` while a tracer looks on, which kills the process at one of its calls, before it is made, as a power cut would.
 * @returns the calls by which it changed or looked into what is below `directory`, in order
 */
export async function traced(
  pid: number,
  directory: string,
  work: () => Promise<unknown>,
  killAt?: FileCall,
): Promise<FileCall[]> {
  const scratch = mkdtempSync(join(tmpdir(), "mesh-strace-"));
  const log = join(scratch, "log");
  const inject = killAt === undefined ? [] : ["-e", `inject=${killAt.name}:signal=KILL:when=${killAt.ordinal}`];
  const args = ["-f", "-y", "-s", "0", "-o", log, "-e", `trace=${CALLS}`, ...inject, "-p", String(pid)];
  const tracer = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  const gone = once(tracer, "exit");
  try {
    await hasAttached(tracer);
    await work();
    // Asked to end it may wait for good, for the last thread of what is dead already. What it has seen is in the file.
    tracer.kill("SIGKILL");
    await gone;
    return callsIn(readFileSync(log, "utf8"), directory);
  } finally {
    tracer.kill("SIGKILL");
    rmSync(scratch, { recursive: true });
  }
}

async function hasAttached(tracer: ChildProcess): Promise<void> {
  let said = "";
  for await (const chunk of tracer.stderr!.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (said.includes("attached")) break;
  }
  tracer.stderr!.resume();
  if (!said.includes("attached")) throw new Error(`strace: ${said}`);
}

/**
 * Those that can be hit: the tracer counts for each thread, and kills the first that comes so far.
 * @param log lines such as `4711 fsync(18</srv/mesh/settings.json.tmp-0a>) = 0`
 */
function callsIn(log: string, directory: string): FileCall[] {
  const made = new Map<string, number>();
  const reached = new Set<string>();
  return log.split("\n").flatMap((line) => {
    const [, thread, name = "", rest = ""] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
    if (thread === undefined) return [];
    const key = `${thread} ${name}`;
    const ordinal = (made.get(key) ?? 0) + 1;
    made.set(key, ordinal);
    const isFirst = !reached.has(`${name} ${ordinal}`);
    reached.add(`${name} ${ordinal}`);
    return isFirst && rest.includes(directory) ? [{ name, ordinal, text: `${name}(${rest}` }] : [];
  });
}
