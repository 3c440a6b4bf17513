import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { MetricsServer } from "../../../src/web/metrics-server.ts";
import { freeTcpPort } from "../../support/free-tcp-port.ts";

const served = { metrics: () => [], readiness: () => undefined };

let server: MetricsServer | undefined;
afterEach(() => server?.[Symbol.asyncDispose]());

const isServed = (address: string) =>
  fetch(`http://${address}/healthz`).then(
    (response) => response.ok,
    () => false,
  );

describe("where metrics are served", () => {
  it("changes at once, also to an address that the former is part of", async () => {
    const [first, second] = [await freeTcpPort(), await freeTcpPort()];
    server = await MetricsServer.open([`127.0.0.1:${first}`], served, silentLogger);
    await server.listen([`:${first}`, `127.0.0.1:${second}`]);
    expect(await Promise.all([first, second].map((port) => isServed(`127.0.0.1:${port}`)))).toEqual([true, true]);
    await server.listen([]);
    expect(await isServed(`127.0.0.1:${first}`)).toBe(false);
  });

  it("is as it was where one of the new addresses is taken", async () => {
    const port = await freeTcpPort();
    const holder = await new Promise<Server>((resolve) => {
      const listening = createServer().listen(0, "127.0.0.1", () => resolve(listening));
    });
    const { port: taken } = holder.address() as { port: number };
    server = await MetricsServer.open([`127.0.0.1:${port}`], served, silentLogger);
    const refused = server.listen([`127.0.0.1:${await freeTcpPort()}`, `127.0.0.1:${taken}`]);
    await expect(refused).rejects.toMatchObject({ code: "port-in-use" });
    expect(await isServed(`127.0.0.1:${port}`)).toBe(true);
    holder.close();
  });
});
