import type { PipeTransportName } from "../../src/base/transports.ts";
import { RelayFixture } from "../support/relay/relay-fixture.ts";
import { introduce, SshNode } from "../support/ssh/ssh-node.ts";
import { type PipePair, PipeSide, pipeTransportSuite } from "./pipe-transport.ts";

async function relayPair(): Promise<PipePair> {
  const relay = await RelayFixture.start();
  const [left, right] = [new PipeSide(), new PipeSide()];
  for (const side of [left, right]) {
    const { transport, key } = relay.client(relay.policy.add("peer"), { handlers: side.handlers });
    side.attach(transport, key);
  }
  return {
    left,
    right,
    breakConnections: () => relay.breakConnections(),
    close: () => relay[Symbol.asyncDispose](),
  };
}

async function sshPair(): Promise<PipePair> {
  const [left, right] = [new PipeSide(), new PipeSide()];
  const open = (side: PipeSide) => SshNode.open({ dependencies: { handlers: side.handlers } });
  const nodes = [await open(left), await open(right)] as const;
  introduce(...nodes);
  left.attach(nodes[0].transport, nodes[0].publicKey);
  right.attach(nodes[1].transport, nodes[1].publicKey);
  return {
    left,
    right,
    breakConnections: () => {
      for (const node of nodes) for (const socket of node.dialled) socket.destroy();
    },
    close: async () => void (await Promise.all(nodes.map((node) => node.transport.close()))),
  };
}

const PAIRS: Record<PipeTransportName, () => Promise<PipePair>> = { ssh: sshPair, relay: relayPair };
for (const [name, open] of Object.entries(PAIRS)) pipeTransportSuite(name, open);
