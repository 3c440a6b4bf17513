import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { relayUpgrade } from "../../../src/cli/running/relay-upgrade.ts";
import { makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { freeTcpPort } from "../../support/free-tcp-port.ts";
import { promtool } from "../../support/promtool.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let url: string;

beforeEach(async () => {
  home = await temporaryHome();
  const address = `127.0.0.1:${await freeTcpPort()}`;
  url = `http://${address}`;
  const upgrades = relayUpgrade(undefined, silentLogger);
  fixture = await startCoordinator(home.path, { tls: "off", metricsListen: [address] }, { upgrades });
});

afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

const scrape = async () => (await fetch(`${url}/metrics`)).text();
const seriesIn = (text: string, series: string) => {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return Number(line?.slice(series.length));
};

describe("the coordinator's metrics", () => {
  it("are what promtool takes, and count what happens", async () => {
    const { token } = await fixture.admin.createToken({});
    await fixture.client.register(makeKeys(), "alice", token);
    await fixture.client.call("GET", "/nowhere");
    const text = await scrape();
    expect(promtool(["check", "metrics"], text)).toBe("");
    expect(seriesIn(text, 'mesh_coordinator_peers{state="active"}')).toBe(1);
    expect(seriesIn(text, "mesh_coordinator_peers_online")).toBe(0);
    expect(seriesIn(text, 'mesh_coordinator_request_seconds_count{route="POST /v1/register"}')).toBe(1);
    expect(seriesIn(text, 'mesh_coordinator_request_seconds_count{route="other"}')).toBe(1);
    expect(seriesIn(text, "mesh_coordinator_write_seconds_count")).toBeGreaterThan(1);
    expect(seriesIn(text, "mesh_coordinator_query_seconds_sum")).toBeGreaterThan(0);
    expect(seriesIn(text, "mesh_relay_clients")).toBe(0);
    expect(seriesIn(text, "process_resident_memory_bytes")).toBeGreaterThan(1e6);
  });

  it("say nothing that is secret, and stand beside health and readiness", async () => {
    const { token } = await fixture.admin.createToken({});
    expect(await scrape()).not.toContain(token);
    expect((await fetch(`${url}/metrics`)).headers.get("content-type")).toContain("version=0.0.4");
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: "ready" });
    expect((await fixture.client.call("GET", "/readyz")).json).toEqual({ status: "ready" });
    const nowhere = await fetch(`${url}/v1/info`);
    expect([nowhere.status, await nowhere.json()]).toMatchObject([404, { error: { code: "not-found" } }]);
    const refusal = await fetch(`${url}/metrics`, { method: "POST", body: "x" });
    expect([refusal.status, refusal.headers.get("allow")]).toEqual([405, "GET"]);
  });

  it("refuse to start where the port is taken, and name the flag", async () => {
    await using other = await temporaryHome();
    const second = startCoordinator(other.path, { tls: "off", metricsListen: [url.slice("http://".length)] });
    await expect(second).rejects.toMatchObject({
      code: "port-in-use",
      hint: expect.stringContaining("--metrics-listen"),
    });
  });

  it("have alerting rules that promtool takes", () => {
    const rules = resolve(import.meta.dirname, "../../../configs/alerts.yaml");
    expect(promtool(["check", "rules", "--lint-fatal", rules])).toContain("rules found");
  });
});
