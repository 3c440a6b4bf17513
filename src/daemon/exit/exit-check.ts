import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import dnsPacket from "dns-packet";
import type { ExitCheck, ExitCheckItem, ExitUseView } from "../../api/local-exit.ts";
import type { IpFamily } from "../../api/primitives.ts";
import { asMeshError, errnoOf, MeshError } from "../../base/errors.ts";
import { sendBoundTo } from "../../exit/use/bound-probe.ts";
import type { BlockedPackets, ExitGuard } from "../../exit/use/guard.ts";
import { exchangeDns } from "../../host/dns-exchange.ts";
import type { IpRoute } from "../../host/ip-route.ts";
import { parseResolvConf } from "../../host/underlay/resolv-conf.ts";
import { type UnderlaySockets, underlaySockets } from "../../host/underlay/underlay-sockets.ts";
import { decodeBinding, encodeBindingRequest, TRANSACTION_ID_BYTES } from "../../nat/stun/message.ts";

/** Of documentation (RFC 5737, RFC 3849): on the internet nobody has them, and nobody gets what leaks to them. */
const FAR_AWAY: Readonly<Record<IpFamily, string>> = { ipv4: "192.0.2.1", ipv6: "2001:db8::1" };
const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const;
const DNS_PORT = 53;
const ANSWER_MS = 2000;

export interface ExitCheckSources {
  readonly use: Omit<ExitUseView, "confirmBy">;
  readonly guard: Pick<ExitGuard, "blocked" | "missing">;
  readonly ipRoute: IpRoute;
  /** Of the tunnel. */
  readonly interfaceName: string;
  /** Of our own sockets, with the mark. */
  readonly sockets: UnderlaySockets;
  /** A STUN server of the coordinator's host, as `HOST` and a port; undefined where there is none. */
  readonly stun: { readonly host: string; readonly port: number } | undefined;
}

/**
 * The leak test: looks at what keeps the traffic in, and tries to get around it.
 * @throws MeshError `exit-not-used`
 */
export async function checkExit(sources: ExitCheckSources): Promise<ExitCheck> {
  if (sources.use.nodes.length === 0) throw new MeshError("exit-not-used", "no exit is used here");
  const checks = [
    await checkGuard(sources),
    ...(await Promise.all((["ipv4", "ipv6"] as const).map((family) => checkRoute(family, sources)))),
    ...(await checkInterfaces(sources)),
    ...(await checkNameServers(sources)),
    await checkAddress(sources),
  ];
  return { ok: checks.every(({ ok }) => ok !== false), checks };
}

async function checkGuard({ guard }: ExitCheckSources): Promise<ExitCheckItem> {
  const item = (ok: boolean, evidence: string) => ({ what: "guard", ok, evidence });
  const blocked = await guard.blocked();
  if (blocked === undefined) return item(false, "its nftables table is gone: `mesh exit use` puts it in again");
  const missing = await guard.missing();
  if (missing.length > 0) return item(false, `gone: ${missing.join(", ")}`);
  return item(true, `in force; ${blockedText(blocked)}`);
}

function blockedText({ ipv4, ipv6 }: BlockedPackets): string {
  return `kept in since it was renewed: ${ipv4} IPv4 and ${ipv6} IPv6 packets`;
}

async function checkRoute(family: IpFamily, { ipRoute, use, interfaceName }: ExitCheckSources): Promise<ExitCheckItem> {
  const what = `${FAMILY_NAMES[family]} route`;
  const address = FAR_AWAY[family];
  const way = await wayTo(address, ipRoute);
  if (way === undefined) {
    const isMeant = !use.families.includes(family);
    return { what, ok: true, evidence: `${address} is unreachable${isMeant ? ", as the exit in use has none" : ""}` };
  }
  const evidence = `${address} goes by ${way}`;
  return { what, ok: way === interfaceName, evidence };
}

/** Undefined where there is none. */
async function wayTo(address: string, ipRoute: IpRoute): Promise<string | undefined> {
  try {
    return (await ipRoute.routeTo(address)).interfaceName;
  } catch (failure) {
    if (asMeshError(failure).code === "host-change-failed") return undefined;
    throw failure;
  }
}

async function checkInterfaces({ ipRoute, interfaceName }: ExitCheckSources): Promise<ExitCheckItem[]> {
  const links = (await ipRoute.links()).filter(({ name, isUp }) => isUp && name !== "lo" && name !== interfaceName);
  return links.flatMap(({ name }) =>
    Object.entries(FAR_AWAY).map(([family, address]) => {
      const refused = attempt(name, address);
      const evidence = refused === undefined ? `a datagram to ${address} left` : `a datagram to ${address}: ${refused}`;
      return { what: `${FAMILY_NAMES[family as IpFamily]} by ${name}`, ok: refused !== undefined, evidence };
    }),
  );
}

function attempt(interfaceName: string, address: string): string | undefined {
  try {
    return sendBoundTo(interfaceName, address);
  } catch (failure) {
    return errnoOf(failure) ?? asMeshError(failure).message;
  }
}

/** Where programs of this host ask for names, and who answers there. */
async function checkNameServers({ ipRoute, interfaceName }: ExitCheckSources): Promise<ExitCheckItem[]> {
  const { servers } = parseResolvConf(await readFile("/etc/resolv.conf", "utf8").catch(() => ""));
  return Promise.all(
    servers.map(async (server) => {
      const way = await wayTo(server, ipRoute);
      const answer = await askForRoot(server);
      const isInside = way === undefined || way === "lo" || way === interfaceName;
      const evidence = `${way === undefined ? "unreachable" : `by ${way}`}, ${answer.text}`;
      return { what: `name server ${server}`, ok: isInside || !answer.isThere, evidence };
    }),
  );
}

/** The name servers of the root: every resolver knows these. */
async function askForRoot(server: string): Promise<{ readonly isThere: boolean; readonly text: string }> {
  const query = dnsPacket.encode({
    type: "query",
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: "NS", name: "." }],
  });
  const startedAtMs = performance.now();
  try {
    await exchangeDns({ address: server, port: DNS_PORT }, query, underlaySockets(0), AbortSignal.timeout(ANSWER_MS));
    return { isThere: true, text: `answers in ${Math.round(performance.now() - startedAtMs)} ms` };
  } catch (failure) {
    return { isThere: false, text: `gives no answer${errnoOf(failure) === "EPERM" ? " (the guard keeps it in)" : ""}` };
  }
}

/** The address that the coordinator's host sees of this one, through the exit and by our own sockets. */
async function checkAddress({ stun, sockets, use }: ExitCheckSources): Promise<ExitCheckItem> {
  const what = "address";
  if (stun === undefined) return { what, ok: null, evidence: "no STUN server tells how this machine is seen" };
  const [server] = await sockets.resolve(stun.host).catch(() => []);
  if (server === undefined) return { what, ok: null, evidence: `the name ${stun.host} cannot be resolved` };
  const [through, direct] = await Promise.all(
    [underlaySockets(0), sockets].map((each) => reflexiveAddress({ ...stun, host: server }, each)),
  );
  const seen = `${stun.host} sees ${through ?? "nothing"} through ${use.using ?? "the exit"}, ${direct ?? "nothing"} without`;
  if (through === undefined) return { what, ok: use.using === null ? true : null, evidence: seen };
  // Behind the same router both are one.
  return { what, ok: through === direct ? null : true, evidence: seen };
}

/** By a STUN server (RFC 8489); undefined where no answer comes. */
async function reflexiveAddress(
  { host, port }: { readonly host: string; readonly port: number },
  { openUdp }: UnderlaySockets,
): Promise<string | undefined> {
  const transactionId = randomBytes(TRANSACTION_ID_BYTES).toString("hex");
  const socket = openUdp(isIPv6(host) ? "::" : "0.0.0.0");
  try {
    return await new Promise<string | undefined>((resolve) => {
      setTimeout(() => resolve(undefined), ANSWER_MS);
      socket.on("error", () => resolve(undefined));
      socket.on("message", (bytes) => {
        const answer = decodeBinding(bytes);
        if (answer?.kind === "success" && answer.transactionId === transactionId) resolve(answer.reflexive.address);
      });
      socket.send(encodeBindingRequest(transactionId), port, host, (failure) => {
        if (failure !== null) resolve(undefined);
      });
    });
  } finally {
    socket.close();
  }
}
