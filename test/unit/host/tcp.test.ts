import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { openTcp } from "../../../src/host/tcp.ts";

const TARGET = { host: "192.0.2.1", port: 1 };

describe("opening TCP", () => {
  it("rejects with an error that comes before the turn is over, as without a route", async () => {
    const dial = () => {
      const socket = new Socket();
      Object.defineProperty(socket, "connecting", { value: true });
      process.nextTick(() => socket.destroy(Object.assign(new Error("no route"), { code: "ENETUNREACH" })));
      return socket;
    };
    await expect(openTcp(dial, TARGET, new AbortController().signal)).rejects.toMatchObject({ code: "ENETUNREACH" });
  });
});
