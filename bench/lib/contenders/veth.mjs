import { makePair, OUTER, TUNNEL_MTU } from "../pair.mjs";

/** No tunnel at all: what the machine and iperf3 do at best. */
export function veth() {
  return {
    name: "veth",
    kind: "veth",
    async start(defer) {
      const pair = await makePair("veth", defer, { linkMtu: TUNNEL_MTU });
      return { ...pair, address: OUTER.right, pids: [], version: "", details: {} };
    },
  };
}
