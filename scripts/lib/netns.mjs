import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { mustRun, run } from "./process.mjs";

// Network namespaces that say who made them: `mesh-lab-PID-STARTTIME-COUNT-LABEL`. With the owner's start time in the
// name, a process id that was used again is not taken for the owner.
const PREFIX = "mesh-lab";
const SCRATCH = "/run/mesh-lab";
const NAME_FORM = new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-\\d+-[a-z0-9-]+$`);

let made = 0;

/** Field 22 of /proc/PID/stat (clock ticks from boot to the start of the process), or undefined when it is gone. */
function processStartTime(pid) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** A name that no other process and no other call uses. `label`: lower-case letters, digits, hyphens. */
function uniqueNamespaceName(label) {
  made += 1;
  return `${PREFIX}-${process.pid}-${processStartTime(process.pid)}-${made}-${label}`;
}

/** A directory of the namespace's own: what its processes see in the place of shared ones. Goes with the namespace. */
export function namespaceScratch(name) {
  return `${SCRATCH}/${name}`;
}

/** Makes a network namespace with its loopback up. @returns its name */
export async function addNamespace(label) {
  const name = uniqueNamespaceName(label);
  await mustRun("ip", ["netns", "add", name]);
  await mustRun("ip", ["-n", name, "link", "set", "lo", "up"]);
  // Duplicate address detection would keep v6 addresses, link-local ones too, unusable for a second or two.
  await setSysctl(name, "net.ipv6.conf.default.accept_dad", "0");
  const scratch = namespaceScratch(name);
  mkdirSync(`${scratch}/wireguard`, { recursive: true, mode: 0o700 });
  makeEtc(`${scratch}/etc`);
  await pinMounts(name, scratch);
  return name;
}

/**
 * A mount namespace for all processes of the namespace, in which /sys, /var/run/wireguard and /etc/resolv.conf (one for all
 * network namespaces otherwise) are its own. The file that holds it has to be on a mount that nobody shares (unshare(1)).
 */
async function pinMounts(name, scratch) {
  writeFileSync(`${scratch}/mounts`, "");
  await mustRun("mount", ["--bind", scratch, scratch]);
  await mustRun("mount", ["--make-private", scratch]);
  const mounts = [
    "mount -t sysfs sysfs /sys",
    "mkdir -p /var/run/wireguard",
    'mount --bind "$0/wireguard" /var/run/wireguard',
    'mount --bind /etc "$0/etc/.machine"',
    'mount --rbind "$0/etc" /etc',
  ];
  const script = mounts.join(" && ");
  await mustRun(...insideNetwork(name, "unshare", [`--mount=${scratch}/mounts`, "sh", "-c", script, scratch]));
}

/** As `insideNamespace`, with the machine's own mounts. */
function insideNetwork(name, command, args) {
  return ["nsenter", [`--net=/run/netns/${name}`, command, ...args]];
}

/** An /etc in which all is the machine's but resolv.conf, a plain file: our daemons change it. The machine's is mounted at .machine. */
function makeEtc(etc) {
  mkdirSync(`${etc}/.machine`, { recursive: true });
  for (const entry of readdirSync("/etc", { withFileTypes: true })) {
    const { name } = entry;
    if (name === "resolv.conf") continue;
    symlinkSync(entry.isSymbolicLink() ? readlinkSync(`/etc/${name}`) : `.machine/${name}`, `${etc}/${name}`);
  }
  writeFileSync(`${etc}/resolv.conf`, "nameserver 192.0.2.53\n");
  // Also for those who are not root, whatever our own umask.
  chmodSync(etc, 0o755);
  chmodSync(`${etc}/resolv.conf`, 0o644);
}

/** Sets a kernel parameter of the namespace; `key` in sysctl's dotted form. Without IPv6 in the kernel, v6 ones are moot. */
export async function setSysctl(name, key, value) {
  const path = `/proc/sys/${key.replaceAll(".", "/")}`;
  await mustRun(...insideNetwork(name, "sh", ["-c", '[ ! -e "$0" ] || echo "$1" > "$0"', path, value]));
}

/** Ends every process in the namespace and deletes it; one that is gone already is no error. */
export async function deleteNamespace(name) {
  await killProcessesIn(name);
  const scratch = namespaceScratch(name);
  // The file's own mount first, then the directory's; neither is there where `addNamespace` did not get so far.
  for (const mounted of [`${scratch}/mounts`, scratch]) await run("umount", ["--lazy", "--quiet", mounted]);
  await run("ip", ["netns", "delete", name]);
  rmSync(scratch, { recursive: true, force: true });
}

async function killProcessesIn(name) {
  const { stdout } = await run("ip", ["netns", "pids", name]);
  for (const pid of stdout.split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Ended by itself since the listing.
    }
  }
}

/** Deletes the namespaces whose owner no longer runs (it was killed before it could clean up). @returns their names */
export async function sweepNamespaces() {
  const { stdout } = await run("ip", ["-j", "netns", "list"]);
  const names = stdout.trim() === "" ? [] : JSON.parse(stdout).map((entry) => entry.name);
  const orphans = names.filter((name) => {
    const [, pid, startTime] = NAME_FORM.exec(name) ?? [];
    return pid !== undefined && processStartTime(pid) !== startTime;
  });
  for (const name of orphans) await deleteNamespace(name);
  return orphans;
}

/**
 * Joins two namespaces with a veth pair. Each end is made inside its namespace, so the names need to be unique there
 * only and the host never sees them.
 * @param {{namespace: string, device: string, addresses?: string[]}} left addresses with prefix length, v4 or v6
 * @param {{namespace: string, device: string, addresses?: string[]}} right
 * @param {{mtu?: number}} [options]
 */
export async function addVeth(left, right, options = {}) {
  const peer = ["peer", "name", right.device, "netns", right.namespace];
  await mustRun("ip", ["link", "add", left.device, "netns", left.namespace, "type", "veth", ...peer]);
  for (const end of [left, right]) await configureDevice(end, options);
  for (const end of [left, right]) await linkIsUp(end);
}

/** The kernel looks at a new carrier up to a second later; until then it hears no multicast, so no IPv6 neighbour. */
async function linkIsUp({ namespace, device }) {
  const deadline = Date.now() + 5000;
  for (;;) {
    const { stdout } = await mustRun("ip", ["-j", "-n", namespace, "link", "show", "dev", device]);
    if (JSON.parse(stdout)[0].operstate === "UP") return;
    if (Date.now() > deadline) throw new Error(`${device} in ${namespace} does not come up`);
    await sleep(20);
  }
}

/** Sets addresses and MTU of a device and brings it up. */
export async function configureDevice({ namespace, device, addresses = [] }, { mtu } = {}) {
  const ip = (...args) => mustRun("ip", ["-n", namespace, ...args]);
  if (mtu !== undefined) await ip("link", "set", device, "mtu", String(mtu));
  for (const address of addresses) {
    await ip("address", "add", address, "dev", device);
  }
  await ip("link", "set", device, "up");
}

const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/**
 * The program and arguments that run `command` inside the namespace, with mounts of its own (`pinMounts`).
 * The process that is spawned is `command` itself in the end: the wrappers replace themselves.
 * @param {string} name
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {[string, string[]]}
 */
export function insideNamespace(name, command, args) {
  // The machine's own proxy is out of reach from here, and the daemons would take their way through it.
  const unset = PROXY_VARIABLES.map((variable) => `--unset=${variable}`);
  const namespaces = [`--net=/run/netns/${name}`, `--mount=${namespaceScratch(name)}/mounts`];
  // Another mount namespace begins at its root.
  return ["nsenter", [...namespaces, "env", `--chdir=${process.cwd()}`, ...unset, command, ...args]];
}
