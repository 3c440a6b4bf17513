import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";

const program = fileURLToPath(new URL("./send-datagrams.mjs", import.meta.url));

export interface Shower {
  readonly address: string;
  readonly port: number;
  readonly total: number;
  /** As fast as it goes when absent. */
  readonly perSecond?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
}

let files = 0;

/** Starts to send `datagrams`, over and over, from a socket of `host`; `exited` resolves when all are sent. */
export function startShower(host: LabHost, datagrams: readonly Uint8Array[], shower: Shower): Promise<LabProcess> {
  const file = `${host.scratchDirectory}/datagrams-${++files}`;
  writeFileSync(file, Buffer.concat(datagrams.flatMap((datagram) => [sizeField(datagram.length), datagram])));
  return host.start(process.execPath, [program, JSON.stringify({ ...shower, file })]);
}

/** As `startShower`, and waits for the end. */
export async function shower(host: LabHost, datagrams: readonly Uint8Array[], options: Shower): Promise<void> {
  const sending = await startShower(host, datagrams, options);
  if ((await sending.exited) !== 0) throw new Error(sending.tail());
}

function sizeField(sizeBytes: number): Uint8Array {
  const field = Buffer.alloc(2);
  field.writeUInt16LE(sizeBytes);
  return field;
}
