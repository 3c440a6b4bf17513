import type { Channel, Member, MemberMessage } from "./channel.ts";

/** What the control server does for one kind of machine. */
export interface Membership {
  find(machineKey: string): Member | undefined;
  /** Begins what the channel is told of the network. Returns the way to end it. */
  subscribe(channel: Channel, heldVersion: number | null): () => void;
  /** The machine has come, or its last channel has gone. */
  setPresence(machineKey: string, isOnline: boolean): void;
  /** @throws MeshError `bad-request` for what such a machine does not say */
  take(channel: Channel, message: MemberMessage): void;
}
