import type { Clock } from "../../base/clock.ts";
import type { FilterPreview, PacketFilter } from "../../filter/packet-filter.ts";
import { Verdict } from "../../filter/verdict.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import { PacketRecord } from "../../packet/packet-record.ts";
import { parsePacket } from "../../packet/parse.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import type { Destinations } from "../shared/destinations.ts";
import { isByExit, peerOf, type RouteTable } from "./route-table.ts";

const MAX_PACKET_BYTES = 128;

export interface PreviewDeps {
  readonly routes: RouteTable;
  readonly destinations: Destinations;
  readonly filter: PacketFilter;
  readonly clock: Clock;
}

/** Says what the packet path would do with a packet that opens a connection: by its tables, without a trace in them. */
export class Previewer {
  readonly #deps: PreviewDeps;
  readonly #buffer = new PacketBuffer(MAX_PACKET_BYTES);
  readonly #packet = new PacketRecord();

  constructor(deps: PreviewDeps) {
    this.#deps = deps;
  }

  preview({ id, bytes, isOutbound }: Extract<DataCommand, { type: "preview" }>): DataEvent {
    const { routes, destinations, filter, clock } = this.#deps;
    const buffer = this.#buffer;
    const packet = this.#packet;
    let peer = -1;
    let decided: FilterPreview | null = null;
    let isAccepted = false;
    if (bytes.length <= buffer.sizeBytes) {
      buffer.bytes.set(bytes);
      if (parsePacket(buffer, 0, bytes.length, packet)) {
        isAccepted = isOutbound || destinations.accepts(buffer, packet);
        const farOffset = isOutbound ? packet.destinationOffset : packet.sourceOffset;
        const way = routes.lookup(buffer, farOffset, packet.version);
        if (way >= 0) {
          peer = peerOf(way);
          decided = filter.preview(buffer, packet, peer, isOutbound, clock.monotonicMs());
          if (isByExit(way) && !isOutbound) decided = { ...decided, verdict: Verdict.unasked, slot: -1 };
        }
      }
    }
    return { type: "previewed", id, peer: peer < 0 ? null : peer, decided, isAccepted };
  }
}
