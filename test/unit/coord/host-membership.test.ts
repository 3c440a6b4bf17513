import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminEvent } from "../../../src/api/admin.ts";
import { decodeJoinToken } from "../../../src/api/join-token.ts";
import { connectToAny } from "../../../src/control/coordinator-http.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { register } from "../../../src/control/registration.ts";
import { createAuthority, issueServerCertificate } from "../../../src/coord/certificates/ca.ts";
import { Coordinator } from "../../../src/coord/coordinator.ts";
import type { HostMembership } from "../../../src/coord/host-membership.ts";
import type { CoordinatorOptions } from "../../../src/coord/options.ts";
import { CoordinatorClient } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

/** Of RFC 5737: nothing answers there. */
const UNREACHABLE = "https://198.51.100.1:8443";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture | undefined;
beforeEach(async () => {
  home = await temporaryHome();
});
afterEach(async () => {
  await fixture?.coordinator.close();
  fixture = undefined;
  await home[Symbol.asyncDispose]();
});

async function start(options: Partial<CoordinatorOptions> = {}): Promise<HostMembership> {
  fixture = await startCoordinator(home.path, { hostJoins: true, ...options });
  return fixture.coordinator.host!;
}

/** As the daemon of the host does it. */
async function joinAs(name: string, token: string, keys = PeerKeys.generate()) {
  const { urls, caFingerprint } = decodeJoinToken(token);
  const http = await connectToAny(urls, { kind: "fingerprint", fingerprint: caFingerprint! });
  return register(http, { name, keys, token });
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "done",
    (failure: { code?: string }) => failure.code,
  );

describe("the coordinator's host as a peer", () => {
  it("is admitted to infra, whatever that is called, without the admin right, and is known by its key from then on", async () => {
    const host = await start();
    await fixture!.admin.call("POST", "/v1/admin/cidrs/infra/rename", { to: "servers" });
    const keys = PeerKeys.generate();
    expect(host.nameOf(keys.machineKey)).toBeUndefined();
    const { self } = await joinAs("gateway", await host.invite("gateway"), keys);
    expect(self).toMatchObject({ name: "gateway", cidr: "servers", admin: false });
    expect(host.nameOf(keys.machineKey)).toBe("gateway");
  });

  it("comes in by the same registration as everybody, and the audit log says so", async () => {
    const host = await start();
    const token = await host.invite("gateway");
    await joinAs("gateway", token);
    const { id } = decodeJoinToken(token);
    const since = new URLSearchParams({ since: new Date(0).toISOString(), after: "0" });
    const events = (await fixture!.admin.call<AdminEvent[]>("GET", `/v1/admin/audit?${since}`)).json;
    expect(events).toContainEqual(
      expect.objectContaining({ actor: "coordinator", action: "token.create", subject: id }),
    );
    const registered = events.find(({ action }) => action === "peer.register");
    expect(registered).toMatchObject({ actor: "peer:gateway", subject: "gateway", after: { token: id } });
  });

  it("has a token that serves once and for minutes", async () => {
    const host = await start();
    const token = await host.invite("gateway");
    const [listed] = (await fixture!.admin.listTokens()).filter(({ id }) => id === decodeJoinToken(token).id);
    expect(listed).toMatchObject({ uses: 1, cidr: "infra", admin: false });
    expect(Date.parse(listed!.expiresAt) - Date.now()).toBeLessThanOrEqual(300_000);
    await joinAs("gateway", token);
    expect(await codeOf(joinAs("another", token))).toBe("token-used");
  });

  it("is refused a name that a peer or an invitation has; a start that came to nothing keeps no name", async () => {
    const host = await start();
    await host.invite("gateway");
    await joinAs("gateway", await host.invite("gateway"));
    expect(await codeOf(host.invite("gateway"))).toBe("name-taken");
    await fixture!.admin.createToken({ name: "invited" });
    expect(await codeOf(host.invite("invited"))).toBe("name-taken");
  });

  it("gets in on loopback where the public URL leads nowhere from inside, and behind a proxy that ends TLS", async () => {
    const options = { home: home.path, listen: ["127.0.0.1:0"], tls: "off", publicUrls: [UNREACHABLE] } as const;
    await using coordinator = await Coordinator.start({ ...options, hostJoins: true });
    const host = coordinator.host!;
    expect(host.urls).toEqual([expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/)]);
    expect((await joinAs("gateway", await host.invite("gateway"))).self.name).toBe("gateway");
    // What the world is told is as before.
    const client = new CoordinatorClient(`http://127.0.0.1:${coordinator.addresses[0]!.port}`, undefined);
    expect((await client.call("GET", "/v1/ca")).status).toBe(404);
  });

  it("gets in by our own CA where the world is shown another certificate", async () => {
    const other = await createAuthority("other", Date.now());
    const issued = await issueServerCertificate(other, ["mesh.example.com"], Date.now());
    const tls = { certFile: join(home.path, "cert.pem"), keyFile: join(home.path, "key.pem") };
    await writeFile(tls.certFile, issued.certificatePem);
    await writeFile(tls.keyFile, issued.privateKeyPem);
    const options = { home: home.path, listen: ["127.0.0.1:0"], tls };
    await using coordinator = await Coordinator.start({ ...options, hostJoins: true });
    expect((await joinAs("gateway", await coordinator.host!.invite("gateway"))).self.name).toBe("gateway");
  });

  it("finds its door first, then the addresses that the same CA serves", async () => {
    const host = await start();
    expect(host.urls).toEqual([expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/), ...fixture!.coordinator.urls]);
    expect(new Set(host.urls).size).toBe(2);
  });

  it("has no door where nobody asked for it", async () => {
    fixture = await startCoordinator(home.path);
    expect(fixture.coordinator.host).toBeUndefined();
  });
});
