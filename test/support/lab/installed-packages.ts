import { execFileSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { unpackedPackage } from "../../../scripts/lib/unpacked-packages.mjs";

/** What a lab host has beyond the machine's own programs. */
export interface Installation {
  /** Of Debian, with those that they need. */
  readonly packages?: readonly string[];
  /** Names in /usr/sbin, and where they lead: what `update-alternatives` would set. */
  readonly alternatives?: Readonly<Record<string, string>>;
  /** Programs of /usr/sbin that are not there. */
  readonly without?: readonly string[];
  /** Directories of /run that are the host's own. */
  readonly ownRun?: readonly string[];
}

/** iptables(8) with both of its backends, and with what it needs. */
export const IPTABLES = [
  ...["iptables", "libxtables12", "libip4tc2", "libip6tc2", "libnetfilter-conntrack3", "libnfnetlink0"],
] as const;

/** `iptables` and its kin, as those of this backend. */
export function iptablesOf(backend: "nft" | "legacy"): Record<string, string> {
  const kin = ["", "-save", "-restore"].flatMap((end) => ["iptables", "ip6tables"].map((name) => [name, end] as const));
  return Object.fromEntries(kin.map(([name, end]) => [`${name}${end}`, `${name}-${backend}${end}`]));
}

/**
 * The program, and its first arguments, that runs others where all that is installed: layers over /usr, the uppermost first.
 * What packages have in /etc is put into the host's own, now.
 * @param scratch the host's own directory, with its `etc`
 */
export function installedWrapper(scratch: string, installation: Installation): readonly string[] {
  const { packages = [], alternatives = {}, without = [], ownRun = [] } = installation;
  const own = `${scratch}/usr`;
  rmSync(own, { recursive: true, force: true });
  mkdirSync(`${own}/sbin`, { recursive: true });
  for (const [name, target] of Object.entries(alternatives)) symlinkSync(target, `${own}/sbin/${name}`);
  // As overlayfs marks what is not there.
  for (const name of without) execFileSync("mknod", [`${own}/sbin/${name}`, "c", "0", "0"]);
  for (const name of packages) copyEtc(`${unpackedPackage(name)}/etc`, `${scratch}/etc`);
  for (const name of ownRun) mkdirSync(`${scratch}/run/${name}`, { recursive: true });
  const layers = [own, ...packages.map((name) => `${unpackedPackage(name)}/usr`), "/usr"].join(":");
  const enter = [
    ...ownRun.map((name) => `mkdir -p /run/${name} && mount --bind ${scratch}/run/${name} /run/${name}`),
    'mount -t overlay overlay -o "lowerdir=$0" /usr',
    'exec "$@"',
  ];
  return ["unshare", "--mount", "sh", "-c", enter.join(" && "), layers];
}

const COPY = { recursive: true, force: true, verbatimSymlinks: true } as const;

/** Directories of the machine's that the package has files in become the host's own. */
function copyEtc(from: string, own: string): void {
  if (!existsSync(from)) return;
  for (const entry of readdirSync(from)) {
    if (lstatSync(`${own}/${entry}`, { throwIfNoEntry: false })?.isSymbolicLink()) {
      rmSync(`${own}/${entry}`);
      cpSync(`/etc/${entry}`, `${own}/${entry}`, COPY);
    }
    cpSync(`${from}/${entry}`, `${own}/${entry}`, COPY);
  }
}
