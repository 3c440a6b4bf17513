import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds } from "./cpu-time.mjs";
import { iperf3 } from "./iperf3.mjs";
import { ping, pingInARow, pingsIn } from "./ping.mjs";

const IDLE_PINGS = 300;
const WARM_UP_PINGS = 50;
const PINGS_IN_A_ROW = 3000;
const BYTES_PER_GB = 1e9;
/** 1400 bytes with the headers of IPv4 and UDP: fits the tunnel's 1420. */
const LARGE_UDP_PAYLOAD = 1372;

/**
 * What is measured, in the order of a run. `measure(contender, seconds)` gives a record of numbers; `value` is the one
 * that the table compares.
 *
 * @typedef {{title: string, unit: string, value: string, digits: number, higherIsBetter: boolean,
 *   measure: (contender: object, seconds: number) => Promise<Record<string, number>>}} Measure
 * @type {Record<string, Measure>}
 */
export const MEASURES = {
  tcp1: throughput("TCP, 1 stream", []),
  tcp1r: throughput("TCP, 1 stream, reverse", ["-R"]),
  tcp4: throughput("TCP, 4 streams", ["-P", "4"]),
  tcp4r: throughput("TCP, 4 streams, reverse", ["-P", "4", "-R"]),
  udp64: packetRate("UDP 64 B delivered", 64),
  udp1400: packetRate("UDP 1400 B delivered", LARGE_UDP_PAYLOAD),
  rtt: {
    title: "ping RTT, idle, 10 ms apart (median)",
    unit: "µs",
    value: "medianUs",
    digits: 0,
    higherIsBetter: false,
    async measure(contender) {
      await ping(contender, WARM_UP_PINGS);
      return ping(contender, IDLE_PINGS);
    },
  },
  rttrow: {
    title: "ping RTT, in a row (median)",
    unit: "µs",
    value: "medianUs",
    digits: 0,
    higherIsBetter: false,
    measure: (contender) => pingInARow(contender, PINGS_IN_A_ROW),
  },
  rttload: {
    title: "ping RTT under 1 TCP stream (median)",
    unit: "µs",
    value: "medianUs",
    digits: 0,
    higherIsBetter: false,
    measure: pingUnderLoad,
  },
};

/** Further columns of measures above: the value is a by-product. */
export const BY_PRODUCTS = {
  tcp1cpu: { of: "tcp1", title: "CPU of both ends, 1 stream", unit: "s/GB", value: "cpuSecondsPerGb", digits: 2 },
  tcp4cpu: { of: "tcp4", title: "CPU of both ends, 4 streams", unit: "s/GB", value: "cpuSecondsPerGb", digits: 2 },
  udp64loss: { of: "udp64", title: "UDP 64 B lost", unit: "%", value: "lostPercent", digits: 1 },
  udp1400loss: { of: "udp1400", title: "UDP 1400 B lost", unit: "%", value: "lostPercent", digits: 1 },
  rttp95: { of: "rtt", title: "ping RTT, idle (95th percentile)", unit: "µs", value: "p95Us", digits: 0 },
};

function throughput(title, args) {
  return {
    title,
    unit: "Gbit/s",
    value: "gbitPerSecond",
    digits: 2,
    higherIsBetter: true,
    async measure(contender, seconds) {
      const cpuBefore = cpuSeconds(contender.pids);
      const end = await iperf3(contender, seconds, args);
      const cpu = cpuSeconds(contender.pids) - cpuBefore;
      const { bytes, bits_per_second } = end.sum_received;
      return {
        gbitPerSecond: bits_per_second / 1e9,
        retransmits: end.sum_sent.retransmits ?? 0,
        ...(contender.pids.length === 0 ? {} : { cpuSecondsPerGb: cpu / (bytes / BYTES_PER_GB) }),
      };
    },
  };
}

function packetRate(title, payloadBytes) {
  return {
    title,
    unit: "packets/s",
    value: "deliveredPerSecond",
    digits: 0,
    higherIsBetter: true,
    async measure(contender, seconds) {
      const end = await iperf3(contender, seconds, ["-u", "-b", "0", "-l", String(payloadBytes)]);
      // The receiver's packet count ends with the last one that arrived; its bytes are what was delivered.
      const delivered = end.sum_received.bytes / payloadBytes;
      const sent = end.sum_sent.packets;
      return {
        deliveredPerSecond: delivered / end.sum_received.seconds,
        sentPerSecond: sent / end.sum_sent.seconds,
        lostPercent: 100 * (1 - delivered / sent),
      };
    },
  };
}

/** Pings while one TCP stream fills the tunnel: after its first half second, before its last. */
async function pingUnderLoad(contender, seconds) {
  const marginSeconds = 0.5;
  const load = iperf3(contender, seconds + 2 * marginSeconds, []);
  const [{ sum_received }, times] = await Promise.all([
    load,
    sleep(marginSeconds * 1000).then(() => ping(contender, pingsIn(seconds - marginSeconds))),
  ]);
  return { ...times, loadGbitPerSecond: sum_received.bits_per_second / 1e9 };
}
