import { createHash } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CoordinatorHttp, connectToAny } from "../../../src/control/coordinator-http.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { register } from "../../../src/control/registration.ts";
import { createAuthority, issueServerCertificate } from "../../../src/coord/certificates/ca.ts";
import { RunningCoordinator } from "../../support/running-coordinator.ts";

const timeoutMs = 2000;

describe("calls to a coordinator", () => {
  let coordinator: RunningCoordinator;
  const servers: Server[] = [];

  beforeAll(async () => {
    coordinator = await RunningCoordinator.start();
  });
  afterAll(() => coordinator[Symbol.asyncDispose]());
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function listen(server: Server): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return `https://127.0.0.1:${port}`;
  }

  function fingerprintTrust(fingerprint = coordinator.caFingerprint) {
    return { kind: "fingerprint", fingerprint } as const;
  }

  it("pin the CA that the fingerprint names", async () => {
    const http = await CoordinatorHttp.connect({ url: coordinator.url, trust: fingerprintTrust() });
    expect(http.trust.kind).toBe("pinned-ca");
    expect(http.info.network).toEqual(coordinator.coordinator.network);
    const again = await CoordinatorHttp.connect({ url: coordinator.url, trust: http.trust });
    expect(again.info.network.id).toBe(http.info.network.id);
  });

  it("refuse a CA with another fingerprint", async () => {
    const trust = fingerprintTrust(createHash("sha256").update("another").digest("hex"));
    await expect(CoordinatorHttp.connect({ url: coordinator.url, trust })).rejects.toMatchObject({
      code: "ca-mismatch",
    });
  });

  it("refuse a coordinator whose certificate another CA issued than the pinned one", async () => {
    await using other = await RunningCoordinator.start();
    const { trust } = await CoordinatorHttp.connect({ url: other.url, trust: fingerprintTrust(other.caFingerprint) });
    await expect(CoordinatorHttp.connect({ url: coordinator.url, trust })).rejects.toMatchObject({
      code: "ca-mismatch",
    });
  });

  it("refuse a self-made certificate where the system's CAs decide", async () => {
    await expect(CoordinatorHttp.connect({ url: coordinator.url, trust: { kind: "system" } })).rejects.toMatchObject({
      code: "certificate-untrusted",
    });
  });

  it("say that nothing listens there", async () => {
    const url = await listen(createTcpServer());
    servers.pop()?.close();
    await expect(CoordinatorHttp.connect({ url, trust: fingerprintTrust() })).rejects.toMatchObject({
      code: "coordinator-unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("say that the host name is not known", async () => {
    const url = "https://no-such-host.invalid:8443";
    await expect(CoordinatorHttp.connect({ url, trust: fingerprintTrust() })).rejects.toMatchObject({
      code: "coordinator-unreachable",
      message: expect.stringContaining("host name"),
    });
  });

  it("say that the other end speaks plain HTTP", async () => {
    const url = await listen(createHttpServer((_request, response) => response.end("hello")));
    await expect(CoordinatorHttp.connect({ url, trust: fingerprintTrust() })).rejects.toMatchObject({
      code: "plain-http",
    });
  });

  it.each([
    ["greets like an SSH server", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["sends noise", Buffer.alloc(64, 0xff)],
    ["hangs up at once", undefined],
  ])("say that a server that %s is no coordinator", async (_what, greeting) => {
    const url = await listen(
      createTcpServer((socket) => {
        socket.on("error", () => socket.destroy());
        socket.end(greeting ?? "");
      }),
    );
    await expect(CoordinatorHttp.connect({ url, trust: fingerprintTrust() }, { timeoutMs })).rejects.toMatchObject({
      code: "not-a-coordinator",
    });
  });

  it("give up on a server that says nothing", async () => {
    const url = await listen(createTcpServer((socket) => socket.on("error", () => socket.destroy())));
    await expect(CoordinatorHttp.connect({ url, trust: fingerprintTrust() }, { timeoutMs: 200 })).rejects.toMatchObject(
      {
        code: "timeout",
      },
    );
  });

  it("can be interrupted, and then try no other address", async () => {
    const silent = await listen(createTcpServer((socket) => socket.on("error", () => socket.destroy())));
    const controller = new AbortController();
    const connecting = connectToAny([silent, coordinator.url], fingerprintTrust(), { signal: controller.signal });
    servers[0]?.once("connection", () => controller.abort());
    await expect(connecting).rejects.toMatchObject({ code: "interrupted" });
  });

  it.each([
    ["some web page", 200, "<html>"],
    ["an error page", 404, "not here"],
    ["JSON of another kind", 200, '{"service":"something else"}'],
  ])("tell %s from a coordinator", async (_what, status, body) => {
    const url = await listen(
      createHttpServer((_request, response) => {
        response.statusCode = status;
        response.end(body);
      }),
    );
    const plain = url.replace("https", "http");
    await expect(CoordinatorHttp.connect({ url: plain, trust: { kind: "system" } })).rejects.toMatchObject({
      code: "not-a-coordinator",
    });
  });

  it("tell a web server with TLS from a coordinator", async () => {
    const authority = await createAuthority("another", Date.now());
    const { certificatePem, privateKeyPem } = await issueServerCertificate(authority, [], Date.now());
    const server = createHttpsServer({ cert: certificatePem, key: privateKeyPem }, (_request, response) =>
      response.end("a web page"),
    );
    const url = await listen(server);
    await expect(CoordinatorHttp.connect({ url, trust: fingerprintTrust() })).rejects.toMatchObject({
      code: "not-a-coordinator",
    });
  });

  it("go to the first of several that answers", async () => {
    const dead = await listen(createTcpServer());
    servers.pop()?.close();
    const http = await connectToAny([dead, coordinator.url], fingerprintTrust());
    expect(http.url).toBe(coordinator.url);
    const plain = await listen(createHttpServer((_request, response) => response.end()));
    await expect(connectToAny([dead, plain], fingerprintTrust())).rejects.toMatchObject({ code: "plain-http" });
  });

  describe("registration", () => {
    it("makes a machine a peer, and knows it again without a token", async () => {
      const http = await CoordinatorHttp.connect({ url: coordinator.url, trust: fingerprintTrust() });
      const keys = PeerKeys.generate();
      const { token } = await coordinator.createToken();
      const first = await register(http, { name: "alice", keys, token });
      expect(first).toMatchObject({ resumed: false, self: { name: "alice", wireguardKey: keys.wireguardKey } });
      const again = await register(http, { name: "alice", keys });
      expect(again).toMatchObject({ resumed: true, self: first.self });
    });

    it("passes on what the coordinator refuses, with its own code", async () => {
      const http = await CoordinatorHttp.connect({ url: coordinator.url, trust: fingerprintTrust() });
      const { token, id } = await coordinator.createToken();
      await expect(register(http, { name: "mallory", keys: PeerKeys.generate() })).rejects.toMatchObject({
        code: "token-required",
      });
      await register(http, { name: "carol", keys: PeerKeys.generate(), token });
      await expect(register(http, { name: "dave", keys: PeerKeys.generate(), token })).rejects.toMatchObject({
        code: "token-used",
        exitStatus: 4,
      });
      const fresh = await coordinator.createToken();
      await expect(
        register(http, { name: "carol", keys: PeerKeys.generate(), token: fresh.token }),
      ).rejects.toMatchObject({
        code: "name-taken",
        exitStatus: 6,
      });
      expect(id).not.toBe(fresh.id);
    });
  });
});
