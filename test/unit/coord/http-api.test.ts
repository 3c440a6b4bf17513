import { connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorBodySchema } from "../../../src/api/error-body.ts";
import { infoResponseSchema } from "../../../src/api/registration.ts";
import { call, makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

interface ErrorJson {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;

beforeAll(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path, {}, { limits: { challengeBurst: 10_000, requestTimeoutMs: 400 } });
});
afterAll(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

describe("HTTP API", () => {
  it("says who it is, in the shape of the contract", async () => {
    const { client, coordinator } = fixture;
    const answer = await client.call("GET", "/v1/info");
    const info = infoResponseSchema.parse(answer.json);
    expect(info).toMatchObject({ network: coordinator.network, caFingerprint: coordinator.caFingerprint });
    expect((await client.call("GET", "/healthz")).json).toEqual({ status: "ok" });
    expect(answer.headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    });
    expect(answer.headers["x-powered-by"]).toBeUndefined();
  });

  it("has a typed body for every error", async () => {
    const { client } = fixture;
    const cases: [string, string, unknown, number, string][] = [
      ["GET", "/", undefined, 404, "not-found"],
      ["GET", "/v1/else", undefined, 404, "not-found"],
      ["GET", "/v1/../../etc/passwd", undefined, 404, "not-found"],
      ["GET", "/%E0%A4%A", undefined, 404, "not-found"],
      ["PUT", "/v1/register", {}, 405, "method-not-allowed"],
      ["DELETE", "/v1/info", undefined, 405, "method-not-allowed"],
      ["GET", "/v1/admin/tokens", undefined, 403, "not-permitted"],
      ["POST", "/v1/register", undefined, 400, "bad-request"],
      ["POST", "/v1/register", "{", 400, "bad-request"],
      ["POST", "/v1/register", "\u0000", 400, "bad-request"],
      ["POST", "/v1/register", [], 400, "bad-request"],
      ["POST", "/v1/register", {}, 400, "bad-request"],
      ["POST", "/v1/register", "x".repeat(100_000), 413, "too-large"],
      ["POST", "/v1/register", { padding: "x".repeat(10_000) }, 400, "bad-request"],
    ];
    for (const [method, path, body, status, code] of cases) {
      const answer = await client.call<ErrorJson>(method, path, body);
      expect([method, path, answer.status, answer.json.error.code]).toEqual([method, path, status, code]);
      errorBodySchema.parse(answer.json);
      expect(answer.text).not.toMatch(/node_modules|at .*\.ts|\bstack\b/);
    }
    const allowed = await client.call("PUT", "/v1/register", {});
    expect(allowed.headers.allow).toBe("POST");
  });

  it("refuses a body that is too large without a length announced", async () => {
    const { client } = fixture;
    const url = new URL(client.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = tlsConnect({ host: url.hostname, port: Number(url.port), ...client.tls }, () => {
        socket.write(
          "POST /v1/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        const chunk = "x".repeat(0x4000);
        for (let i = 0; i < 6; i++) socket.write(`4000\r\n${chunk}\r\n`);
      });
      let text = "";
      socket.on("data", (chunk) => (text += chunk));
      socket.on("close", () => resolve(text));
      socket.on("error", (error) => (text === "" ? reject(error) : resolve(text)));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('"too-large"');
  });

  it("takes JSON only", async () => {
    const answer = await fixture.client.call<ErrorJson>("POST", "/v1/register", "a=1", {
      "content-type": "text/plain",
    });
    expect([answer.status, answer.json.error.code]).toEqual([400, "bad-request"]);
  });

  it("names the field that is wrong and never repeats its value", async () => {
    const { client } = fixture;
    const right = await client.registerRequest(makeKeys(), "alice");
    const names = [
      "x".repeat(10_000),
      "-a".repeat(5_000),
      "a\nb",
      "a\u0000b",
      "\u202eevil",
      "x'); DROP TABLE peers; --",
      "../../etc",
      "Alice",
      "a--b",
      "-a",
      "a-",
      "",
      "off",
      "any",
      "all",
      "auto",
    ];
    for (const name of names) {
      const answer = await client.send({ ...right, name });
      expect([answer.status, answer.json.error.code]).toEqual([400, "bad-name"]);
      if (name.length > 4) expect(answer.json.error.message).not.toContain(name.slice(0, 20));
    }
    const key = makeKeys().machineKey;
    // The same 32 bytes in other words: the last digit but the padding has two bits that count for nothing.
    const twin = `${key.slice(0, 42)}${BASE64[BASE64.indexOf(key[42]!) + 1]}=`;
    expect(Buffer.from(twin, "base64")).toEqual(Buffer.from(key, "base64"));
    for (const machineKey of ["", "x", key.slice(0, -1), `${key}=`, twin, `${key.slice(0, 42)}\n=`, 7, null, {}]) {
      const answer = await client.send({ ...right, machineKey });
      expect([answer.status, answer.json.error.code]).toEqual([400, "bad-key"]);
    }
    for (const change of [
      { extra: 1 },
      { challengeId: "1" },
      { protocol: { min: 0, max: 1 } },
      { machineProof: "AA==" },
    ]) {
      const answer = await client.send({ ...right, ...change });
      expect([answer.status, answer.json.error.code]).toEqual([400, "bad-request"]);
    }
    const polluted = JSON.stringify(right).replace("{", '{"__proto__":{"admin":true},');
    expect((await client.call<ErrorJson>("POST", "/v1/register", polluted)).status).toBe(400);
    expect(await fixture.admin.listPeers()).toEqual([]);
  });

  it("cuts a client that sends slower than anybody honest", async () => {
    const port = Number(new URL(fixture.client.url).port);
    const ended = new Promise<string>((resolve, reject) => {
      const socket = tlsConnect({ host: "127.0.0.1", port, ...fixture.client.tls }, () => {
        socket.write(
          "POST /v1/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        );
      });
      let text = "";
      socket.on("data", (chunk) => (text += chunk));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
    expect(await ended).toMatch(/^HTTP\/1\.1 408 .*"timeout"/s);
  });

  it("answers plain HTTP on its TLS port by a typed error, each caller its own", async () => {
    const url = fixture.client.url.replace("https:", "http:");
    const answers = await Promise.all([
      ...["GET", "POST", "PUT"].map((method) => call<ErrorJson>({ method, url: `${url}/v1/info` })),
      ...Array.from({ length: 20 }, () => call<ErrorJson>({ url })),
    ]);
    for (const answer of answers) {
      expect([answer.status, answer.headers.connection]).toEqual([400, "close"]);
      expect(errorBodySchema.parse(answer.json).error).toMatchObject({
        code: "bad-request",
        message: expect.stringContaining("HTTPS"),
        hint: expect.stringContaining("https://"),
      });
    }
    expect((await fixture.client.call("GET", "/healthz")).status).toBe(200);
  });

  it("closes on what is no TLS and no HTTP, and survives it", async () => {
    const port = Number(new URL(fixture.client.url).port);
    for (const bytes of ["SSH-2.0-x\r\n", "G", "\u0000".repeat(100)]) {
      const answer = await new Promise<string>((resolve) => {
        const socket = tcpConnect(port, "127.0.0.1", () => socket.end(bytes));
        let text = "";
        socket.on("error", () => {});
        socket.on("close", () => resolve(text));
        socket.on("data", (chunk) => (text += chunk.toString("latin1")));
      });
      expect(answer).not.toContain("HTTP/");
    }
    expect((await fixture.client.call("GET", "/healthz")).status).toBe(200);
  });
});

describe("challenges", () => {
  it("are limited by source address", async () => {
    await using otherHome = await temporaryHome();
    const limits = { challengeBurst: 5, challengesPerSecond: 0.001 };
    const { coordinator, client } = await startCoordinator(otherHome.path, { tls: "off" }, { limits });
    for (let i = 0; i < 5; i++) await client.challenge();
    const answer = await client.call<ErrorJson>("POST", "/v1/challenge", {});
    expect([answer.status, answer.json.error.code]).toEqual([429, "rate-limited"]);
    await coordinator.close();
  });
});

describe("TLS", () => {
  it("is verified in full against the pinned CA, under the fixed server name", async () => {
    const { client } = fixture;
    const { port } = new URL(client.url);
    const url = `https://127.0.0.1:${port}/healthz`;
    expect((await call({ url, tls: client.tls })).status).toBe(200);
    expect((await call({ url, tls: { ...client.tls, servername: "localhost" } })).status).toBe(200);
    await expect(call({ url, tls: { ...client.tls, servername: "other.example" } })).rejects.toThrow(/altnames/i);
    await expect(call({ url, tls: {} })).rejects.toThrow(/certificate/);
  });

  it("refuses old versions of the protocol", async () => {
    const { client } = fixture;
    const url = `${client.url}/healthz`;
    await expect(call({ url, tls: { ...client.tls, maxVersion: "TLSv1.1", minVersion: "TLSv1" } })).rejects.toThrow();
  });
});

describe("admin socket", () => {
  it("lists and errs in the same shapes", async () => {
    const { admin } = fixture;
    const wrong: [string, string, unknown, number, string][] = [
      ["GET", "/v1/info", undefined, 404, "not-found"],
      ["PATCH", "/v1/admin/tokens", {}, 405, "method-not-allowed"],
      ["POST", "/v1/admin/tokens", { name: "Not A Name" }, 400, "bad-name"],
      ["POST", "/v1/admin/tokens", { uses: 0 }, 400, "bad-request"],
      ["POST", "/v1/admin/tokens", { uses: -1 }, 400, "bad-request"],
      ["POST", "/v1/admin/tokens", { expiresInSeconds: 0 }, 400, "bad-request"],
      ["POST", "/v1/admin/tokens", { ip4: "300.1.1.1" }, 400, "bad-address"],
      ["POST", "/v1/admin/tokens", { ip4: "10.86.64.5", uses: 3 }, 400, "bad-request"],
      ["POST", "/v1/admin/tokens", { tags: ["x'); --"] }, 400, "bad-name"],
      ["POST", "/v1/admin/tokens", { unknown: 1 }, 400, "bad-request"],
    ];
    const before = await admin.listTokens();
    for (const [method, path, body, status, code] of wrong) {
      const answer = await admin.call<ErrorJson>(method, path, body);
      expect([path, body, answer.status, answer.json.error.code]).toEqual([path, body, status, code]);
    }
    expect(await admin.listTokens()).toEqual(before);
  });
});
