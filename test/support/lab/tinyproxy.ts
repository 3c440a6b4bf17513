import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHost } from "./lab-host.ts";

const PORT = 3128;

/**
 * An HTTP proxy on `host` that lets through CONNECT to port 443, for those who know the password, as long as the host lives.
 * @returns its URL, password included
 */
export async function startTinyproxy(host: LabHost, address: string): Promise<string> {
  const file = join(host.scratchDirectory, "tinyproxy.conf");
  const settings = [`Port ${PORT}`, `Listen ${address}`, "ConnectPort 443", "BasicAuth alice secret", "LogLevel Info"];
  writeFileSync(file, `${settings.join("\n")}\n`);
  const proxy = await host.start("tinyproxy", ["-d", "-c", file]);
  await proxy.waitForOutput(/Accepting connections/);
  return `http://alice:secret@${address}:${PORT}`;
}
