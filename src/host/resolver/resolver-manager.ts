import { serversIn } from "./former-conf.ts";

/** Who decides how this host's programs resolve names, and so who has to be told. */
export type ResolverManager = "systemd-resolved" | "openresolv" | "resolvconf" | "resolv.conf";

export interface ResolverFacts {
  /** Where /etc/resolv.conf leads, its own path for a plain file; undefined where there is none. */
  readonly realPath: string | undefined;
  readonly text: string;
  /** systemd-resolved answers. */
  readonly hasResolved: () => Promise<boolean>;
  /** Which resolvconf(8) there is. */
  readonly resolvconf: () => Promise<"openresolv" | "debian" | undefined>;
}

export interface ChosenManager {
  readonly manager: ResolverManager;
  /** Why it is that one, for people. */
  readonly reason: string;
}

// systemd-resolved.service(8), "/etc/resolv.conf".
const STUB_FILES = [
  "/run/systemd/resolve/stub-resolv.conf",
  "/usr/lib/systemd/resolv.conf",
  "/lib/systemd/resolv.conf",
];
const STUB_ADDRESS = "127.0.0.53";

/**
 * A program that is installed, or runs, is not by that the one that this host's programs ask: what resolv.conf says
 * decides.
 */
export async function chooseManager(facts: ResolverFacts): Promise<ChosenManager> {
  const { realPath = "", text } = facts;
  const servers = serversIn(text);
  const leadsToStub = STUB_FILES.includes(realPath) || (servers.length > 0 && servers.every((s) => s === STUB_ADDRESS));
  if (leadsToStub) {
    if (await facts.hasResolved()) return { manager: "systemd-resolved", reason: "resolv.conf leads to its stub" };
    return { manager: "resolv.conf", reason: "it leads to systemd-resolved, which does not answer" };
  }
  const isInRecords = /^\/(?:run|etc)\/resolvconf\//.test(realPath);
  if (isInRecords || /^# .*[Gg]enerated by resolvconf/m.test(text)) {
    const program = await facts.resolvconf();
    if (program === "openresolv") return { manager: "openresolv", reason: "it makes resolv.conf" };
    if (program === "debian" && isInRecords) return { manager: "resolvconf", reason: "it makes resolv.conf" };
    return { manager: "resolv.conf", reason: "it was made by a resolvconf that is not there" };
  }
  return { manager: "resolv.conf", reason: "no program that mesh knows decides over it" };
}
