import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { MetricFamily } from "../../base/metrics.ts";
import type { PeerPolicy } from "../peers/peer-policy.ts";

/** A WebSocket service at one path of the coordinator's addresses. */
export interface UpgradeHandler {
  /** @param clientAddress where the request really comes from */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, clientAddress: string): void;
  metrics(): readonly MetricFamily[];
  /** Ends all connections; the coordinator stops accepting at the same time. */
  close(): Promise<void>;
}

/** Opens a service that is not the coordinator's own, with what it needs to know of the network. */
export type OpenUpgradeHandler = (view: { readonly networkId: string; readonly policy: PeerPolicy }) => UpgradeHandler;

/** The path of a request, without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").split("?", 1)[0] ?? "";
}
