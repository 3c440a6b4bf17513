import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { z } from "zod";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";

const script = fileURLToPath(new URL("./tcp-transfer.mjs", import.meta.url));
const PORT = "5999";

const sentSchema = z.object({ bytes: z.number(), sha256: z.string() });
const receivedSchema = sentSchema.extend({ longestPauseMs: z.number() });

export interface TcpTransferOptions {
  readonly from: LabHost;
  readonly to: LabHost;
  /** Of `to`. */
  readonly address: string;
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number;
}

/** One TCP connection that carries random bytes until it is told to end. One at a time for each host. */
export class TcpTransfer implements AsyncDisposable {
  readonly #sender: LabProcess;
  readonly #receiver: LabProcess;

  private constructor(sender: LabProcess, receiver: LabProcess) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** Is connected by the time it returns. */
  static async start({ from, to, address, bytesPerSecond }: TcpTransferOptions): Promise<TcpTransfer> {
    const receiver = await to.start(process.execPath, [script, "receive", PORT]);
    await receiver.waitForOutput(/listening/);
    const sender = await from.start(process.execPath, [script, "send", address, PORT, String(bytesPerSecond)]);
    await sender.waitForOutput(/connected/);
    return new TcpTransfer(sender, receiver);
  }

  /** Ends the connection; what arrived must be what was sent. */
  async finish(): Promise<z.infer<typeof receivedSchema>> {
    this.#sender.closeInput();
    const reports: unknown[] = [];
    for (const each of [this.#sender, this.#receiver]) {
      const [report] = await each.waitForOutput(/^\{.*\}$/m, 30_000);
      expect(await each.exited).toBe(0);
      reports.push(JSON.parse(report));
    }
    const sent = sentSchema.parse(reports[0]);
    const received = receivedSchema.parse(reports[1]);
    expect({ bytes: received.bytes, sha256: received.sha256 }).toEqual(sent);
    expect(sent.bytes).toBeGreaterThan(0);
    return received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#sender.kill(), this.#receiver.kill()]);
  }
}
