/**
 * Entry of the data thread. It sleeps in poll(2) on the TUN device, the sockets and an eventfd, and never returns to
 * Node's event loop until it is told to stop: the control thread's messages are fetched when the eventfd says so.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { systemClock } from "../../base/clock.ts";
import { FilterCells } from "../../filter/filter-cells.ts";
import { CombinedTransport } from "../../transports/combined-transport.ts";
import { emptyTransportStats } from "../../transports/datagram-transport.ts";
import { PipeEnd } from "../../transports/pipe/pipe-end.ts";
import { PipeRing } from "../../transports/pipe/pipe-ring.ts";
import { UdpTransport } from "../../transports/udp/udp-transport.ts";
import { LinuxTun } from "../../tun/linux-tun.ts";
import { loadAeadProvider } from "../../wireguard/aead/select.ts";
import { handshakeCrypto } from "../../wireguard/crypto/select.ts";
import { KeySlots, PeerCells } from "../../wireguard/shared-state.ts";
import type { DataCommand } from "../shared/commands.ts";
import { Counters } from "../shared/counters.ts";
import { PathCells } from "../shared/path-cells.ts";
import { UplinkGauge, type UplinkMessage } from "../shared/uplink.ts";
import { WakeFlag } from "../shared/wake-flag.ts";
import { DataLoop } from "./data-loop.ts";
import { DataPlane } from "./data-plane.ts";
import type { DataThreadStart } from "./data-thread.ts";
import { type WarmUpDeps, warmUp } from "./warm-up.ts";

/** A thread blocked in poll delays the end of the process: should nobody wake it, it looks up by itself. */
const MAX_SLEEP_MS = 1000;

function run(start: DataThreadStart): void {
  const port = parentPort;
  if (port === null) throw new Error("the data plane runs in a worker thread");
  const tun = new LinuxTun(start.tun, start.mtuBytes);
  const post = (message: UplinkMessage) => port.postMessage(message);
  const stats = emptyTransportStats();
  const udp = new UdpTransport(start.udp, {
    stats,
    onSegmentationLost: (family) => post({ event: { type: "segmentation-lost", family } }),
  });
  const pipes = {
    outbound: new PipeRing(start.pipes.outbound),
    inbound: new PipeRing(start.pipes.inbound),
    notify: () => post({ event: { type: "pipe-datagrams" } }),
  };
  const transport = new CombinedTransport(udp, new PipeEnd(pipes, stats));
  const wake = new WakeFlag(start.wake);
  const provider = loadAeadProvider(start.aeadProvider);
  const crypto = handshakeCrypto(start.handshakeCrypto);
  const counters = new Counters(start.counters);
  const plane = new DataPlane({
    tun,
    transport,
    clock: systemClock,
    provider,
    crypto,
    timings: start.timings,
    slots: new KeySlots(start.slots),
    cells: new PeerCells(start.cells),
    pathCells: new PathCells(start.pathCells),
    counters,
    filterCells: new FilterCells(start.filterCells),
    gauge: new UplinkGauge(start.gauge),
    post,
  });
  const coldBecause = tryToWarmUp({ provider, crypto, timings: start.timings });
  const onWake = () => {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      for (const command of next.message as readonly DataCommand[]) plane.apply(command);
  };
  const loop = new DataLoop({
    plane,
    counters,
    clock: systemClock,
    wake,
    onWake,
    tunFd: tun.fd,
    transportFds: transport.pollFds,
  });
  const started = { type: "started", ...(coldBecause === undefined ? {} : { coldBecause }) } as const;
  post({ event: started });
  try {
    while (!wake.isStopping) loop.turn(MAX_SLEEP_MS);
  } finally {
    plane.close();
  }
}

/** Returns why it failed, when it did: packets are carried all the same, only slower at first. */
function tryToWarmUp(deps: WarmUpDeps): string | undefined {
  try {
    warmUp(deps);
    return undefined;
  } catch (failure) {
    return failure instanceof Error ? failure.message : String(failure);
  }
}

run(workerData as DataThreadStart);
