import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nameSchema } from "../../../../src/api/primitives.ts";
import { MeshError } from "../../../../src/base/errors.ts";
import { peerNameFromHostName } from "../../../../src/daemon/membership/peer-name.ts";

describe("a peer name out of a host name", () => {
  it.each([
    ["alice", "alice"],
    ["Alice-PC.example.com", "alice-pc"],
    ["my_server__01", "my-server-01"],
    ["-odd-", "odd"],
    [`${"x".repeat(62)}-yz`, "x".repeat(62)],
  ])("%s becomes %s", (hostName, expected) => {
    expect(peerNameFromHostName(hostName)).toBe(expected);
  });

  it.each(["", "...", "all", "日本"])("refuses %j", (hostName) => {
    expect(() => peerNameFromHostName(hostName)).toThrow(expect.objectContaining({ code: "bad-name" }));
  });

  it("is a valid name or an error", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (hostName) => {
        try {
          expect(nameSchema.safeParse(peerNameFromHostName(hostName)).success).toBe(true);
        } catch (failure) {
          expect(failure).toBeInstanceOf(MeshError);
        }
      }),
    );
  });
});
