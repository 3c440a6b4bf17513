import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";

const PORT = 3128;

export interface TinyproxyOptions {
  /** To which it connects. */
  readonly ports?: readonly number[];
  /** A program, and its arguments, that runs it. */
  readonly wrapper?: readonly string[];
}

export interface Tinyproxy {
  /** Password included. */
  readonly url: string;
  /** Logs each request: `CONNECT HOST:PORT`. */
  readonly process: LabProcess;
}

/** An HTTP proxy on `host` that lets through CONNECT, for those who know the password, as long as the host lives. */
export async function startTinyproxy(
  host: LabHost,
  address: string,
  { ports = [443], wrapper = [] }: TinyproxyOptions = {},
): Promise<Tinyproxy> {
  const file = join(host.scratchDirectory, "tinyproxy.conf");
  const settings = [`Port ${PORT}`, `Listen ${address}`, "BasicAuth alice secret", "LogLevel Info"];
  writeFileSync(file, [...settings, ...ports.map((port) => `ConnectPort ${port}`), ""].join("\n"));
  const [program = "tinyproxy", ...args] = [...wrapper, "tinyproxy", "-d", "-c", file];
  const process = await host.start(program, args);
  await process.waitForOutput(/Accepting connections/);
  return { url: `http://alice:secret@${address}:${PORT}`, process };
}
