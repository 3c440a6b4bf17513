import { readFileSync } from "node:fs";
import { formatAddress } from "../../../src/packet/address.ts";
import { eventually } from "../lab/eventually.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";

export interface CapturedDatagram {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Of the whole IP packet. */
  readonly packetBytes: number;
  readonly payload: Uint8Array;
}

const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_HEADER_BYTES = 14;
const UDP_HEADER_BYTES = 8;
const ETHERTYPE_IPV4 = 0x0800;

let files = 0;

/** Records the UDP datagrams that pass a device, with tcpdump. A row of segments in one packet counts as one. */
export class Capture implements AsyncDisposable {
  readonly #path: string;
  readonly #process: LabProcess;

  private constructor(path: string, process: LabProcess) {
    this.#path = path;
    this.#process = process;
  }

  /** @param filter pcap-filter(7) */
  static async start(host: LabHost, device: string, filter: string): Promise<Capture> {
    const path = `${host.scratchDirectory}/capture-${++files}.pcap`;
    // As root to the end, for the directory is root's; and no buffering, for nobody knows which packet is the last.
    const args = ["-Z", "root", "-i", device, "-s", "0", "-U", "--immediate-mode", "-w", path, filter];
    const process = await host.start("tcpdump", args);
    await process.waitForOutput(/listening on/);
    return new Capture(path, process);
  }

  /** What was seen so far. */
  datagrams(): CapturedDatagram[] {
    return parseCapture(readFileSync(this.#path));
  }

  /** Waits until at least `count` datagrams meet `isMeant`. */
  async seen(what: string, isMeant: (datagram: CapturedDatagram) => boolean, count = 1): Promise<CapturedDatagram[]> {
    return eventually(
      `${count} × ${what} on the wire`,
      () => {
        const found = this.datagrams().filter(isMeant);
        return found.length >= count && found;
      },
      { timeoutMs: 20_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}

/** The classic pcap format in the byte order of this machine (little-endian), link type Ethernet. */
function parseCapture(bytes: Buffer): CapturedDatagram[] {
  const datagrams: CapturedDatagram[] = [];
  for (let at = PCAP_HEADER_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; ) {
    const start = at + RECORD_HEADER_BYTES;
    const end = start + bytes.readUInt32LE(at + 8);
    // tcpdump may be about to write the rest.
    if (end > bytes.length) break;
    datagrams.push(parseFrame(bytes.subarray(start, end)));
    at = end;
  }
  return datagrams;
}

/** UDP right behind an IPv4 header without options or an IPv6 header without extensions. */
function parseFrame(frame: Buffer): CapturedDatagram {
  const packet = frame.subarray(ETHERNET_HEADER_BYTES);
  const isV4 = frame.readUInt16BE(12) === ETHERTYPE_IPV4;
  const [source, destination, udp] = isV4
    ? [packet.subarray(12, 16), packet.subarray(16, 20), packet.subarray(20)]
    : [packet.subarray(8, 24), packet.subarray(24, 40), packet.subarray(40)];
  return {
    source: formatAddress(source),
    sourcePort: udp.readUInt16BE(0),
    destination: formatAddress(destination),
    destinationPort: udp.readUInt16BE(2),
    packetBytes: isV4 ? packet.readUInt16BE(2) : packet.readUInt16BE(4) + 40,
    payload: new Uint8Array(udp.subarray(UDP_HEADER_BYTES)),
  };
}
