import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import type { MeshPeer } from "./mesh-peer.ts";

const support = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const SILENCE_SECONDS = 1;
/** Whoever is to be told something is waited for, however busy the machine is. */
const ANSWER_SECONDS = 10;
/** Of `live` flows, which say something every 50 ms. */
const FLOWING_MS = 250;

/** How a connection ends for who begins it (`probe.mjs`). */
export type Outcome = "answered" | "rejected" | "closed" | "silence";
/** Over both families, or over IPv4 and over IPv6. */
export type Outcomes = Outcome | readonly [over4: Outcome, over6: Outcome];
/** By connection: `bob -> alice:8001/tcp`, `bob -> alice:8001/tcp,udp`, `bob -> alice/icmp`. */
export type Wanted = Readonly<Record<string, Outcomes>>;

type Protocol = "tcp" | "udp" | "icmp";

/** One of the connections that a key of `Wanted` stands for. */
interface Attempt {
  readonly key: string;
  readonly from: Member;
  readonly to: Member;
  readonly protocol: Protocol;
  readonly port: string;
  readonly family: 4 | 6;
  readonly wanted: Outcome;
}

interface Member {
  readonly host: LabHost;
  /** Inner addresses. */
  readonly 4: string;
  readonly 6: string;
}

/** Starts what answers on these ports of a host, over TCP and UDP (`port-service.mjs`). */
export async function servePorts(host: LabHost, ...ports: number[]): Promise<LabProcess> {
  const service = await host.start(process.execPath, [support("port-service.mjs"), ...ports.map(String)]);
  await service.waitForOutput(/listening/);
  return service;
}

/** Real connections between peers of one network, over IPv4 and IPv6 alike. */
export class Connections {
  readonly #members: Readonly<Record<string, Member>>;

  private constructor(members: Readonly<Record<string, Member>>) {
    this.#members = members;
  }

  static async between(...peers: readonly MeshPeer[]): Promise<Connections> {
    const members = peers.map(async ({ host, local }) => {
      const { ip4, ip6 } = (await local.status()).self!;
      return [host.label, { host, 4: ip4, 6: ip6 }] as const;
    });
    return new Connections(Object.fromEntries(await Promise.all(members)));
  }

  /** The inner address of a peer. */
  address(of: string, family: 4 | 6): string {
    return this.#members[of]![family];
  }

  /** How many connections are to end otherwise than so. */
  countOthers(wanted: Wanted, outcome: Outcome): number {
    return this.#allAttempts(wanted).filter((attempt) => attempt.wanted !== outcome).length;
  }

  /** Begins them all at once. @returns `wanted` where that is what becomes of them; else what becomes of each */
  async outcomes(wanted: Wanted): Promise<Record<string, Outcomes | Record<string, string>>> {
    const attempts = this.#allAttempts(wanted);
    const ends = new Map<Attempt, string>();
    const probe = async (host: LabHost) => {
      const ours = attempts.filter(({ from }) => from.host === host);
      const args = ours.map(({ to, protocol, port, family, wanted }) => {
        const seconds = wanted === "silence" ? SILENCE_SECONDS : ANSWER_SECONDS;
        return `${protocol} ${to[family]} ${port} ${seconds}`;
      });
      const said = JSON.parse(await host.must(process.execPath, support("probe.mjs"), ...args)) as string[];
      for (const [i, attempt] of ours.entries()) ends.set(attempt, said[i]!);
    };
    await Promise.all([...new Set(attempts.map(({ from }) => from.host))].map(probe));
    const seen = Object.entries(wanted).map(([key, outcomes]) => {
      const ours = attempts.filter((attempt) => attempt.key === key);
      if (ours.every((attempt) => ends.get(attempt) === attempt.wanted)) return [key, outcomes] as const;
      const each = ours.map((attempt) => [`${attempt.protocol} over IPv${attempt.family}`, ends.get(attempt)]);
      return [key, Object.fromEntries(each)] as const;
    });
    return Object.fromEntries(seen);
  }

  /** A connection of each protocol and family that lives until its process ends; all flow by the time it returns. */
  async live(from: string, to: string, port: number, protocols: readonly Protocol[]): Promise<LabProcess[]> {
    const { host } = this.#members[from]!;
    const flows = protocols.flatMap((protocol) =>
      ([4, 6] as const).map(async (family) => {
        const address = this.address(to, family);
        const url = `http://${family === 4 ? address : `[${address}]`}:${port}/drip`;
        const [program, ...args] = {
          tcp: ["curl", "-sS", "-N", "-g", url],
          udp: ["nc", "-u", address, String(port)],
          icmp: ["ping", "-n", "-i", "0.05", address],
        }[protocol] as [string, ...string[]];
        const flow = await host.start(program, args);
        flow.write(ECHOED);
        await flow.waitForOutput(/^(drip|hello|\d+ bytes from .*)$/m);
        return flow;
      }),
    );
    return Promise.all(flows);
  }

  #allAttempts(wanted: Wanted): Attempt[] {
    return Object.entries(wanted).flatMap(([key, outcomes]) => this.#attempts(key, outcomes));
  }

  #attempts(key: string, outcomes: Outcomes): Attempt[] {
    const [, from = "", to = "", port = "0", protocols = ""] =
      /^(\w+) -> (\w+)(?::(\d+))?\/((?:tcp|udp|icmp|,)+)$/.exec(key) ?? [];
    const [first, second] = [this.#members[from], this.#members[to]];
    if (first === undefined || second === undefined) throw new Error(`${key} is no connection between the peers here`);
    const [over4, over6] = typeof outcomes === "string" ? [outcomes, outcomes] : outcomes;
    return (protocols.split(",") as Protocol[]).flatMap((protocol) => {
      const attempt = { key, from: first, to: second, protocol, port };
      return [
        { ...attempt, family: 4, wanted: over4 },
        { ...attempt, family: 6, wanted: over6 },
      ] satisfies Attempt[];
    });
  }
}

/** For the flows over UDP, which say what they get back; the others do not read it. */
const ECHOED = "hello\n";

/** Whether anything comes back over a `live` connection. */
export async function isFlowing(flow: LabProcess): Promise<boolean> {
  const before = flow.stdout.length;
  flow.write(ECHOED);
  await delay(FLOWING_MS);
  return flow.stdout.length > before;
}
