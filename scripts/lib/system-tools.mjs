import { existsSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { detail, note, ScriptError, step } from "./console.mjs";
import { findCommand, run } from "./process.mjs";

/**
 * What the scripts call, with the Debian package that brings it and the purposes that need it.
 * `compiler` is apart: with it `mesh serve` and the fast ciphers can be built, and a peer works without. `service` is
 * what the package would start on this machine, where only its program is wanted.
 */
const TOOLS = [
  { command: "ip", package: "iproute2", for: ["demo", "test", "bench"] },
  { command: "nft", package: "nftables", for: ["test"] },
  { command: "ping", package: "iputils-ping", for: ["demo", "test", "bench"] },
  { command: "iperf3", package: "iperf3", for: ["demo", "test", "bench"] },
  { command: "curl", package: "curl", for: ["demo", "test"] },
  { command: "nc", package: "netcat-openbsd", for: ["test"] },
  { command: "wg", package: "wireguard-tools", for: ["test", "bench"] },
  { command: "wireguard-go", package: "wireguard-go", for: ["test", "bench"] },
  { command: "ethtool", package: "ethtool", for: ["test"] },
  { command: "tcpdump", package: "tcpdump", for: ["test"] },
  { command: "perl", package: "perl-base", for: ["test"] },
  { command: "ps", package: "procps", for: ["test"] },
  { command: "ssh", package: "openssh-client", for: ["test"] },
  { command: "sshd", package: "openssh-server", for: ["test"] },
  { command: "turnutils_stunclient", package: "coturn", service: "coturn.service", for: ["test"] },
  { command: "miniupnpd", package: "miniupnpd-nftables", for: ["test"] },
  { command: "openssl", package: "openssl", for: ["test"] },
  { command: "nginx", package: "nginx", service: "nginx.service", for: ["test"] },
  { command: "dnsmasq", package: "dnsmasq-base", for: ["test"] },
  { command: "dig", package: "bind9-dnsutils", for: ["test", "bench"] },
  { command: "tinyproxy", package: "tinyproxy-bin", for: ["test"] },
  { command: "dbus-daemon", package: "dbus-daemon", for: ["test"] },
  { command: "strace", package: "strace", for: ["test"] },
  { command: "systemd-analyze", package: "systemd", for: ["test"] },
  { command: "git", package: "git", for: ["test"] },
  { command: "py3versions", package: "python3", for: ["test"] },
  { command: "zsh", package: "zsh", for: ["test"] },
  { command: "fish", package: "fish", for: ["test"] },
  { command: "groff", package: "groff-base", for: ["test"] },
  { command: "nebula", package: "nebula", for: ["bench"] },
  { command: "g++", package: "g++", for: ["compiler"] },
  { command: "make", package: "make", for: ["compiler"] },
  { command: "python3", package: "python3-minimal", for: ["compiler"] },
];

/** The tools that `purposes` need and this machine lacks. */
function missingTools(purposes) {
  return TOOLS.filter((tool) => tool.for.some((purpose) => purposes.includes(purpose))).filter(
    (tool) => findCommand(tool.command) === undefined,
  );
}

/** Why packages cannot be installed here, or undefined when they can. */
function whyNoInstall() {
  if (findCommand("apt-get") === undefined) return "this system has no apt-get";
  if (process.getuid?.() !== 0) return "not running as root";
  return undefined;
}

/**
 * Installs what is missing for `purposes` with apt-get.
 * @returns {Promise<string[]>} the commands still missing
 * @throws ScriptError when `required` and something stays missing; the message says what to install
 */
export async function ensureTools(purposes, { required }) {
  const missing = missingTools(purposes);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map((tool) => tool.package))];
  const services = missing.flatMap((tool) => tool.service ?? []);
  const obstacle = whyNoInstall() ?? (await aptInstall(packages, services));
  const stillMissing = missingTools(purposes).map((tool) => tool.command);
  if (stillMissing.length === 0) return [];
  const advice =
    `missing: ${stillMissing.join(", ")} (${obstacle ?? "the packages did not bring them"}). ` +
    `On Debian: sudo apt-get install ${packages.join(" ")}`;
  if (required) throw new ScriptError(advice);
  note(advice);
  return stillMissing;
}

/** @returns {Promise<string | undefined>} what went wrong */
async function aptInstall(packages, services) {
  step(`Installing system packages: ${packages.join(" ")}`);
  for (const service of services) keepFromStarting(service);
  const install = () => apt(["install", "-y", "--no-install-recommends", ...packages]);
  let fresh = false;
  if (!hasPackageLists()) {
    await aptUpdate();
    fresh = true;
  }
  let result = await install();
  if (result.status !== 0 && !fresh) {
    // Lists that are older than the mirror name files that are gone.
    await aptUpdate();
    result = await install();
  }
  if (result.status === 0) return undefined;
  const said = result.stderr.trim().split("\n").at(-1) ?? "";
  return `apt-get failed: ${said}`;
}

/** As `systemctl mask`, which refuses a unit that is not there yet. Does nothing where systemd does not run. */
function keepFromStarting(service) {
  const unit = join("/etc/systemd/system", service);
  if (!existsSync("/run/systemd/system") || existsSync(unit)) return;
  symlinkSync("/dev/null", unit);
  detail(`${service} is masked: the tests start what they need themselves (systemctl unmask ${service})`);
}

async function aptUpdate() {
  detail("apt-get update");
  const result = await apt(["update"]);
  // One broken third-party source fails the whole update, while the others are good: the install decides.
  if (result.status !== 0) detail("some package sources could not be read");
}

function apt(args) {
  return run("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}

function hasPackageLists() {
  const directory = "/var/lib/apt/lists";
  return existsSync(directory) && readdirSync(directory).some((name) => /_Packages(\.|$)/.test(name));
}
