import type { Logger } from "../base/logger.ts";
import { type Endpoint, isPipe, isSameRemote } from "../packet/endpoint.ts";
import type { DataCommand, DataEvent } from "./commands.ts";
import { MAX_PATHS, PathCell, type PathCells } from "./path-cells.ts";
import { type PathAction, type PathEvent, PeerPaths } from "./paths/peer-paths.ts";
import type { PipeTable } from "./pipe-table.ts";
import type { TransportName } from "./tunnel-types.ts";

export interface PathControlDeps {
  readonly logger: Logger;
  readonly cells: PathCells;
  readonly pipes: PipeTable;
  /** Tells the probes of path selection from others. */
  readonly probeId: number;
  /** The engine is to send handshakes of this peer here from now on. */
  readonly onPrimary: (peer: number, endpoint: Endpoint) => void;
  readonly onDecision: (publicKey: string, reason: string) => void;
}

/** A path's number, and where it leads. */
interface Slot {
  readonly endpoint: Endpoint;
  /** The peer was heard from there, though nobody had told us of the address. */
  readonly isLearned: boolean;
}

interface Controlled {
  readonly id: number;
  readonly publicKey: string;
  readonly slots: (Slot | undefined)[];
  readonly selection: PeerPaths;
}
