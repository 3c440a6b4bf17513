import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { nameSchema } from "../../api/primitives.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";

const DEFAULT_STATE_DIRECTORY = "/var/lib/mesh";
const DEFAULT_SOCKET_DIRECTORY = "/run/mesh";
/** `sun_path` holds 108 bytes with its final zero (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;
const LOCK = "lock";
const LOG = "daemon.log";
/** What a start leaves before it knows where to go. */
const TRACES = [LOCK, LOG];
const SOCKET_NAME = /^peer-(.+)\.sock$/;

/** Where state and sockets live. */
export interface Home {
  readonly stateDirectory: string;
  readonly socketDirectory: string;
}

/** Files of one joined network. */
export interface NetworkPaths {
  readonly network: string;
  readonly directory: string;
  readonly lockFile: string;
  readonly journalFile: string;
  readonly logFile: string;
  readonly socketPath: string;
  /** What daemons of other networks are told (`neighbours/notice.ts`). */
  readonly noticeFile: string;
}

/** @throws MeshError `bad-usage` for a directory that leaves no room for a socket's name */
export function resolveHome(home: string | undefined): Home {
  if (home === undefined || home === "") {
    return { stateDirectory: DEFAULT_STATE_DIRECTORY, socketDirectory: DEFAULT_SOCKET_DIRECTORY };
  }
  const stateDirectory = resolve(home);
  return { stateDirectory, socketDirectory: join(stateDirectory, "run") };
}

export function coordinatorSocketPath(home: Home): string {
  return checkSocketPath(join(home.socketDirectory, "coordinator.sock"));
}

/** @throws MeshError `bad-name`, `bad-usage` */
export function networkPaths(home: Home, network: string): NetworkPaths {
  if (!nameSchema.safeParse(network).success) {
    throw new MeshError("bad-name", `${JSON.stringify(network)} cannot be the name of a network`);
  }
  const directory = join(home.stateDirectory, "networks", network);
  return {
    network,
    directory,
    lockFile: join(directory, LOCK),
    journalFile: join(directory, "journal.json"),
    logFile: join(directory, LOG),
    socketPath: checkSocketPath(join(home.socketDirectory, `peer-${network}.sock`)),
    noticeFile: join(home.socketDirectory, `peer-${network}.json`),
  };
}

/**
 * Names of the networks that this home holds anything of; a join that was refused leaves nothing. Who may not look into the
 * state sees those whose daemon has a socket.
 *
 * @throws MeshError `not-permitted` where there is none of these either
 */
export function listNetworks(home: Home): string[] {
  try {
    const directory = join(home.stateDirectory, "networks");
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && nameSchema.safeParse(entry.name).success)
      .map((entry) => entry.name)
      .filter((name) => readdirSync(join(directory, name)).some((file) => !TRACES.includes(file)))
      .sort();
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return [];
    if (errnoOf(failure) === "EACCES") return listServedNetworks(home);
    throw failure;
  }
}

function listServedNetworks(home: Home): string[] {
  const networks = filesIn(home.socketDirectory)
    .flatMap((file) => SOCKET_NAME.exec(file)?.[1] ?? [])
    .filter((network) => nameSchema.safeParse(network).success)
    .sort();
  if (networks.length > 0) return networks;
  throw new MeshError("not-permitted", `${home.stateDirectory} belongs to another user, and no daemon of its runs`);
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (failure) {
    if (errnoOf(failure) === "EACCES" || errnoOf(failure) === "ENOENT") return [];
    throw failure;
  }
}

/**
 * The network that a command means: the one asked for, else the current one, else the only one. Undefined where none is
 * joined.
 *
 * @throws MeshError `bad-usage` when there are several and none is current
 */
export function selectNetwork(home: Home, wanted: string | undefined): string | undefined {
  if (wanted !== undefined) return wanted;
  const networks = listNetworks(home);
  const current = currentNetwork(home);
  if (current !== undefined && networks.includes(current)) return current;
  if (networks.length > 1) {
    throw new MeshError("bad-usage", `several networks are joined: ${networks.join(", ")}`, {
      hint: "Say which one with --network NAME, or once and for all: `mesh context use NAME`.",
    });
  }
  return networks[0];
}

export function currentNetworkFile(home: Home): string {
  return join(home.stateDirectory, "current");
}

/** Leads to the socket of the current network's daemon, for scripts and for who may not look into the state. */
export function currentSocketLink(home: Home): string {
  return join(home.socketDirectory, "current.sock");
}

/** The one that commands mean unless they say otherwise, as it was noted; it may be gone. */
export function currentNetwork(home: Home): string | undefined {
  try {
    return readFileSync(currentNetworkFile(home), "utf8").trim();
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    if (errnoOf(failure) !== "EACCES") throw failure;
  }
  try {
    return SOCKET_NAME.exec(readlinkSync(currentSocketLink(home)))?.[1];
  } catch {
    return undefined;
  }
}

function checkSocketPath(path: string): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new MeshError(
    "bad-usage",
    `the path of a socket would be longer than ${MAX_SOCKET_PATH_BYTES} bytes: ${path}`,
    {
      hint: "Choose a shorter --home.",
    },
  );
}
