import { expect, it } from "vitest";
import { tellsOfRules } from "../../../../src/host/firewall/nftables-events.ts";

/** nlmsghdr and nfgenmsg, as the kernel sends them. */
function message(subsystem: number, type: number, bodyBytes = 4): Buffer {
  const bytes = Buffer.alloc((16 + bodyBytes + 3) & ~3);
  bytes.writeUInt32LE(16 + bodyBytes, 0);
  bytes.writeUInt16LE((subsystem << 8) | type, 4);
  return bytes;
}
const [NEWTABLE, DELRULE, NEWSETELEM, NEWGEN] = [0, 8, 12, 15] as const;

it.each([
  ["a table that came", [message(10, NEWTABLE)], true],
  ["a rule that went, after elements of a set", [message(10, NEWSETELEM, 21), message(10, DELRULE)], true],
  ["elements of sets, and a new generation", [message(10, NEWSETELEM), message(10, NEWGEN)], false],
  ["something of connection tracking", [message(1, NEWTABLE)], false],
  ["nothing", [], false],
  ["noise", [Buffer.alloc(40)], false],
])("%s", (_, messages, tells) => {
  expect(tellsOfRules(Buffer.concat(messages))).toBe(tells);
});
