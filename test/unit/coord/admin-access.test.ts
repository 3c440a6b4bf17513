import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CoordinatorHttp } from "../../../src/control/coordinator-http.ts";
import { MachineKey } from "../../../src/control/peer-keys.ts";
import { registerRelay } from "../../../src/control/relay-registration.ts";
import { signedCall } from "../../../src/control/signed-call.ts";
import { type AdminRoute, actorOf, authorize, type Caller, ROUTES } from "../../../src/coord/http/authorize.ts";
import { type Answer, makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

interface ErrorJson {
  readonly error: { readonly code: string; readonly hint: string };
}

const isAdminRoute = (route: string): route is AdminRoute => route.includes(" /v1/admin/");
const ADMIN_ROUTES = ROUTES.filter(isAdminRoute);
const HOST_ROUTES: readonly string[] = ["GET /v1/admin/backup"];
/** Those where a peer without the admin right has things of its own. */
const OWN_ROUTES: readonly string[] = [
  "GET /v1/admin/dns/records",
  "POST /v1/admin/dns/records",
  "POST /v1/admin/dns/records/remove",
];

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
const [root, second, ordinary, stranger] = [makeKeys(), makeKeys(), makeKeys(), makeKeys()];

beforeAll(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path, {}, { limits: { challengeBurst: 10_000 } });
  const { admin, client, coordinator } = fixture;
  await client.register(root, "root-admin", coordinator.firstToken?.token);
  await client.register(second, "second-admin", (await admin.createToken({ admin: true })).token);
  await client.register(ordinary, "ordinary", (await admin.createToken()).token);
});
afterAll(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

/** A way to send a request; what it is sent with says who asks. */
type Door = (method: string, path: string, body: object | undefined) => Promise<Answer<ErrorJson | undefined>>;

const signedBy =
  (keys: TestKeys): Door =>
  (method, path, body) =>
    fixture.client.signed(keys, method, path, body);

/** Every admin route through this door: the code of its error, or its status. */
async function walk(door: Door): Promise<Map<AdminRoute, string | number>> {
  const answers = new Map<AdminRoute, string | number>();
  for (const route of ADMIN_ROUTES) {
    const [method = "", path = ""] = route.split(" ");
    const target = path.replaceAll(/:\w+/g, "no-such-thing");
    const { status, json } = await door(method, target, method === "POST" ? {} : undefined);
    // A backup is no JSON.
    answers.set(route, json?.error?.code ?? status);
  }
  return answers;
}

const all = (outcome: string): Map<AdminRoute, string> =>
  new Map(ADMIN_ROUTES.map((route) => [route, HOST_ROUTES.includes(route) ? "not-permitted" : outcome]));

/** To a peer without the admin right: open where it has things of its own, and then what they say to an empty body. */
const ordinarily = () => {
  const answers = new Map<AdminRoute, string | number>(all("not-permitted"));
  for (const route of OWN_ROUTES) answers.set(route as AdminRoute, route.startsWith("GET") ? 200 : "bad-request");
  answers.set("POST /v1/admin/dns/records/remove", "bad-name");
  return answers;
};

describe("who may call what", () => {
  it("knows what each route is for", () => {
    expect(ADMIN_ROUTES.length).toBeGreaterThan(20);
    expect(ROUTES.filter((route) => !isAdminRoute(route)).sort()).toEqual([
      "DELETE /v1/peer",
      "GET /healthz",
      "GET /readyz",
      "GET /v1/ca",
      "GET /v1/info",
      "POST /v1/challenge",
      "POST /v1/register",
      "POST /v1/relay",
    ]);
  });

  const address = "192.0.2.1";
  const peer = { kind: "peer", address, id: 1, name: "alice", enabled: true } as const;
  const cases: readonly [string, Caller, string | undefined][] = [
    ["the admin socket", { kind: "host" }, undefined],
    ["an admin peer", { ...peer, admin: true }, undefined],
    ["an ordinary peer", { ...peer, admin: false }, "not-permitted"],
    ["a disabled admin", { ...peer, admin: true, enabled: false }, "peer-disabled"],
    ["a relay", { kind: "relay", address, name: "berlin" }, "not-permitted"],
    ["anyone", { kind: "anyone", address }, "not-permitted"],
  ];
  it.each(cases)("decides for %s on every route there is", (_who, caller, refusal) => {
    const codeOf = (route: (typeof ROUTES)[number]) => {
      try {
        return authorize(caller, route);
      } catch (failure) {
        return (failure as { code: string }).code;
      }
    };
    for (const route of ROUTES) {
      const isClosed = HOST_ROUTES.includes(route) && caller.kind !== "host";
      const isOwn = OWN_ROUTES.includes(route) && caller.kind === "peer" && caller.enabled;
      const expected = isClosed ? "not-permitted" : isAdminRoute(route) && !isOwn ? refusal : undefined;
      expect([route, codeOf(route)]).toEqual([route, expected]);
    }
  });

  it("has a name for each of them in the audit log", () => {
    expect(cases.map(([, caller]) => actorOf(caller))).toEqual([
      "host",
      "peer:alice",
      "peer:alice",
      "peer:alice",
      "relay:berlin",
      "coordinator",
    ]);
  });
});

describe("the admin routes on the network", () => {
  it("are closed to who does not say who they are, whatever token they bring", async () => {
    const { token } = await fixture.admin.createToken({ admin: true });
    const { client } = fixture;
    expect(await walk((method, path, body) => client.call(method, path, body))).toEqual(all("not-permitted"));
    const bearer: Door = (method, path, body) => client.call(method, path, body, { authorization: `Bearer ${token}` });
    expect(await walk(bearer)).toEqual(all("not-permitted"));
  });

  it("are closed to ordinary peers, relays and machines that are no peers", async () => {
    expect(await walk(signedBy(ordinary))).toEqual(ordinarily());
    expect(new Set((await walk(signedBy(stranger))).values())).toEqual(new Set(["not-registered"]));
    const { client, coordinator, admin } = fixture;
    const trust = { kind: "fingerprint", fingerprint: coordinator.caFingerprint ?? "" } as const;
    const http = await CoordinatorHttp.connect({ url: client.url, trust });
    const key = MachineKey.generate();
    const { token } = await admin.createToken({ relay: true });
    await registerRelay(http, { name: "berlin", key, token, tlsKey: null });
    const relay: Door = async (method, path, body) => {
      const call = { method: method as "GET", path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const failure = await signedCall(http, { networkId: coordinator.network.id, keys: key }, call).catch(
        (thrown) => thrown,
      );
      return { status: 403, headers: {}, text: "", json: { error: failure } };
    };
    expect(await walk(relay)).toEqual(all("not-permitted"));
  });

  it("answer an admin peer as they answer the admin socket", async () => {
    const { admin } = fixture;
    const bySocket = await walk((method, path, body) => admin.call(method, path, body));
    const byPeer = new Map(bySocket);
    for (const route of HOST_ROUTES) byPeer.set(route as AdminRoute, "not-permitted");
    expect(await walk(signedBy(root))).toEqual(byPeer);
    const refusals = new Set(["not-permitted", "peer-disabled", "method-not-allowed", "internal"]);
    for (const [route, outcome] of bySocket) expect([route, refusals.has(String(outcome))]).toEqual([route, false]);
  });

  it("are closed to a disabled admin at once, and to one that has lost the right", async () => {
    const asRoot = signedBy(root);
    expect((await asRoot("POST", "/v1/admin/peers/second-admin/disable", {})).status).toBe(200);
    expect(await walk(signedBy(second))).toEqual(all("peer-disabled"));
    await asRoot("POST", "/v1/admin/peers/second-admin/enable", {});
    expect((await signedBy(second)("GET", "/v1/admin/peers", undefined)).status).toBe(200);
    await asRoot("POST", "/v1/admin/peers/second-admin/admin", { admin: false });
    expect(await walk(signedBy(second))).toEqual(ordinarily());
  });

  it("do not let the last admin shut itself out", async () => {
    const asRoot = signedBy(root);
    for (const [method, path, body] of [
      ["POST", "/v1/admin/peers/root-admin/disable", {}],
      ["POST", "/v1/admin/peers/root-admin/admin", { admin: false }],
      ["DELETE", "/v1/admin/peers/root-admin", undefined],
    ] as const) {
      const { status, json } = await asRoot(method, path, body);
      expect([path, status, json?.error.code]).toEqual([path, 409, "last-admin"]);
    }
  });

  it("leave one admin where two take the right from each other at once", async () => {
    const { admin } = fixture;
    await admin.call("POST", "/v1/admin/peers/second-admin/admin", { admin: true });
    const answers = await Promise.all([
      signedBy(root)("POST", "/v1/admin/peers/second-admin/admin", { admin: false }),
      signedBy(second)("POST", "/v1/admin/peers/root-admin/admin", { admin: false }),
    ]);
    expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
    expect((await admin.listPeers()).filter((peer) => peer.admin)).toHaveLength(1);
    await admin.call("POST", "/v1/admin/peers/root-admin/admin", { admin: true });
  });

  it("work with the client that daemons use, and what it did stands under its name in the audit log", async () => {
    const { client, coordinator, admin } = fixture;
    const trust = { kind: "fingerprint", fingerprint: coordinator.caFingerprint ?? "" } as const;
    const http = await CoordinatorHttp.connect({ url: client.url, trust });
    const keys = new MachineKey(seedOf(root.machine));
    const body = JSON.stringify({ to: "plain" });
    const call = { method: "POST", path: "/v1/admin/peers/ordinary/rename", body } as const;
    expect(await signedCall(http, { networkId: coordinator.network.id, keys }, call)).toMatchObject({ name: "plain" });
    const audit = await admin.call<object[]>("GET", "/v1/admin/audit?since=1970-01-01T00:00:00.000Z");
    expect(audit.json.at(-1)).toMatchObject({ actor: "peer:root-admin", action: "peer.rename", subject: "ordinary" });
  });
});

describe("a signature", () => {
  const target = "/v1/admin/tokens";
  const body = JSON.stringify({ uses: 1 });

  it("is good for one request", async () => {
    const { client } = fixture;
    const headers = await client.signature(root, "POST", target, body);
    expect((await client.call("POST", target, body, headers)).status).toBe(200);
    const again = await client.call<ErrorJson>("POST", target, body, headers);
    expect([again.status, again.json.error.code]).toEqual([409, "challenge-unknown"]);
  });

  it.each([
    ["another body", "POST", target, JSON.stringify({ uses: 2 })],
    ["another path", "POST", "/v1/admin/cidrs", body],
    ["another query", "POST", `${target}?x=1`, body],
    ["another method", "GET", target, undefined],
  ])("cannot be moved to %s", async (_what, method, path, sent) => {
    const { client } = fixture;
    const headers = await client.signature(root, "POST", target, body);
    const answer = await client.call<ErrorJson>(method, path, sent, headers);
    expect([answer.status, answer.json.error.code]).toEqual([403, "proof-invalid"]);
  });

  it("is that of the key beside it, and of a key that is sound", async () => {
    const { client } = fixture;
    const { authorization } = await client.signature(ordinary, "GET", target);
    const claimed = authorization.replace(ordinary.machineKey, root.machineKey);
    const asOther = await client.call<ErrorJson>("GET", target, undefined, { authorization: claimed });
    expect(asOther.json.error.code).toBe("proof-invalid");
    // The neutral point of the curve "signs" whatever it is shown.
    const weak = (await client.signature(ordinary, "GET", target)).authorization.replace(
      ordinary.machineKey,
      Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]).toString("base64"),
    );
    const asWeak = await client.call<ErrorJson>("GET", target, undefined, { authorization: weak });
    expect(asWeak.json.error.code).toBe("bad-key");
  });

  it.each(["Mesh-Machine", "Mesh-Machine key=1", 'Mesh-Machine key="", challenge="", proof=""', "mesh-machine \u00e9"])(
    "of the shape %j is refused",
    async (authorization) => {
      const answer = await fixture.client.call<ErrorJson>("GET", target, undefined, { authorization });
      expect([answer.status, answer.json.error.code]).toEqual([400, "bad-request"]);
    },
  );
});

function seedOf(key: TestKeys["machine"]): Uint8Array {
  return Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url");
}
