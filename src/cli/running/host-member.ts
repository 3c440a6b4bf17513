import { type ChildProcess, fork } from "node:child_process";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { errorBodySchema, meshErrorFromBody } from "../../api/error-body.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import { Backoff } from "../../base/backoff.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { HostMembership } from "../../coord/host-membership.ts";
import { loadKeys } from "../../daemon/membership/identity.ts";
import { peerNameFromHostName } from "../../daemon/membership/peer-name.ts";
import { type Home, networkPaths } from "../../daemon/networks/home.ts";
import { NetworkState } from "../../daemon/networks/network-state.ts";
import type { ProgressEvent } from "../../daemon/peer-plan.ts";
import { CHILD_VARIABLE, type ChildKind, type ChildMessage } from "./child-daemon.ts";

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
/** A daemon that ran for this long had not failed at once: the next one is started soon again. */
const STEADY_MS = 60_000;
const STOP_LIMIT_MS = 10_000;

export type MemberRunning = Extract<ProgressEvent, { event: "running" }>;

export interface HostMemberOptions {
  readonly host: HostMembership;
  readonly network: NetworkInfo;
  /** Where the daemon's state lives, by the rules of every peer command here. */
  readonly home: Home;
  /** True: by the host's own name. */
  readonly name: string | true;
  /** Flags that every command takes, for the daemon to take as well. */
  readonly globalFlags: readonly string[];
}

export interface HostMemberDeps {
  readonly logger: Logger;
  /** Traffic can flow; each time that a daemon has come up. */
  readonly onRunning: (event: MemberRunning) => void;
}

interface Launch {
  readonly args: readonly string[];
  readonly token?: string;
}

interface Run {
  readonly child: ChildProcess;
  readonly running: Promise<undefined>;
  /** Undefined for a daemon that was asked to end. */
  readonly ended: Promise<MeshError | undefined>;
}

/**
 * The coordinator's host as a peer of its own network: a `mesh join` or `mesh up` like any other, in a process of its own
 * (`docs/decisions/025-host-member.md`). It is started again when it fails; one that has been asked to end stays away.
 */
export class HostMember {
  readonly #options: HostMemberOptions;
  readonly #deps: HostMemberDeps;
  readonly #backoff = new Backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  readonly #stop = new AbortController();
  #run: Run | undefined;
  /** One that listens to signals. */
  #running: ChildProcess | undefined;
  #keeping: Promise<void> | undefined;

  constructor(options: HostMemberOptions, deps: HostMemberDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /**
   * A host that is no peer yet is one when this returns. One that is already is started in the background: whatever keeps
   * it from running, the coordinator is there for the others.
   * @throws MeshError `name-taken`, and what a `mesh join` throws
   */
  async start(): Promise<void> {
    try {
      const { launch, isPeer } = await this.#plan();
      if (this.#stop.signal.aborted) return;
      const { running, ended } = this.#begin(launch);
      const failure = isPeer ? undefined : await Promise.race([running, ended]);
      if (failure !== undefined) throw failure;
      this.#keeping = this.#keep(ended);
    } catch (failure) {
      // A newcomer has no state yet that could be damaged.
      if (!(failure instanceof MeshError) || failure.code !== "state-damaged") throw failure;
      this.#keeping = this.#keep(Promise.resolve(failure));
    }
  }

  /** Has the daemon read its own configuration again. */
  reload(): void {
    this.#running?.kill("SIGHUP");
  }

  /** Has the daemon take back what it changed of this host, and end. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#run?.child.kill("SIGTERM");
    const impatience = setTimeout(() => {
      this.#deps.logger.warn({}, "the daemon of this host does not end, and is killed; its next start cleans up");
      this.#run?.child.kill("SIGKILL");
    }, STOP_LIMIT_MS);
    await this.#run?.ended;
    clearTimeout(impatience);
    await this.#keeping;
  }

  /** @param ended of the daemon that runs */
  async #keep(ended: Promise<MeshError | undefined>): Promise<void> {
    const { logger } = this.#deps;
    const { signal } = this.#stop;
    let current = ended;
    for (;;) {
      const startedAtMs = performance.now();
      const failure = await current;
      if (signal.aborted) return;
      if (failure === undefined) {
        logger.info({}, "this host is a peer no more, as it was asked to; it comes back with the next start");
        return;
      }
      if (performance.now() - startedAtMs > STEADY_MS) this.#backoff.reset();
      const delayMs = this.#backoff.nextMs();
      const { code } = failure;
      logger.warn({ code, retryInMs: Math.round(delayMs) }, `this host is no peer for now: ${failure.message}`);
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      current = this.#again();
    }
  }

  async #again(): Promise<MeshError | undefined> {
    try {
      const { launch } = await this.#plan();
      return this.#stop.signal.aborted ? undefined : await this.#begin(launch).ended;
    } catch (failure) {
      // Whatever it is: the coordinator goes on.
      return asMeshError(failure);
    }
  }

  /** As what to start the daemon, by what the disk and the coordinator know. @throws MeshError `name-taken`, `bad-name` */
  async #plan(): Promise<{ readonly launch: Launch; readonly isPeer: boolean }> {
    const { host, network, home, name } = this.#options;
    const { directory } = networkPaths(home, network.name);
    const keys = await loadKeys(directory);
    const enrolment = await new NetworkState(directory).enrolment.read();
    const known = keys === undefined ? undefined : host.nameOf(keys.machineKey);
    if (known !== undefined && name !== true && name !== known) {
      const rename = `\`mesh peer rename ${known} ${name}\``;
      this.#deps.logger.warn({}, `this host stays ${known}: a peer gets another name by ${rename}`);
    }
    if (known !== undefined && enrolment !== undefined) {
      // One that had joined before by another certificate than our CA's goes on as it came in.
      const servers = enrolment.trust.kind === "pinned-ca" ? host.urls : [];
      return { launch: { args: ["up", ...serverFlags(servers)] }, isPeer: true };
    }
    const given = name === true ? (enrolment?.self.name ?? peerNameFromHostName(hostname(), "`--join NAME`")) : name;
    const as = known ?? given;
    const args = ["join", "--name", as, ...serverFlags(host.urls)];
    // Known without knowing it: the answer to its registration never came to the disk. It needs no token for another.
    return { launch: known === undefined ? { args, token: await host.invite(as) } : { args }, isPeer: false };
  }

  #begin({ args, token }: Launch): Run {
    const child = this.#fork(args, token);
    let failure: MeshError | undefined;
    const running = new Promise<undefined>((resolve) => {
      child.on("message", (message: ChildMessage) => {
        if (message.event === "failed") {
          failure = meshErrorFromBody(errorBodySchema.parse({ error: message.error }).error);
        } else if (message.event === "warning") {
          this.#deps.logger.warn({}, message.warning);
        } else if (message.event === "running") {
          this.#running = child;
          this.#deps.onRunning(message);
          resolve(undefined);
        }
      });
    });
    const ended = new Promise<MeshError | undefined>((resolve) => {
      child.once("error", (cause) => {
        resolve(new MeshError("internal", `its daemon cannot be started: ${cause.message}`, { cause }));
      });
      child.once("exit", (code, signal) => {
        const how = signal === null ? `with status ${code}` : `by ${signal}`;
        const unexplained = new MeshError("internal", `its daemon ended ${how}`, { hint: "See the log." });
        resolve(code === 0 ? undefined : (failure ?? unexplained));
      });
    });
    this.#run = { child, running, ended };
    return this.#run;
  }

  /** This very program. The token goes by the environment: arguments are for everybody to see. */
  #fork(args: readonly string[], token: string | undefined): ChildProcess {
    const [, script] = process.argv;
    if (script === undefined) throw new MeshError("internal", "it is not known how this program was started");
    const { globalFlags, network } = this.#options;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      [CHILD_VARIABLE]: "member" satisfies ChildKind,
      MESH_TOKEN: token,
    };
    // What the service manager is to be told, and how all of it runs, are our business.
    delete env.NOTIFY_SOCKET;
    const flags = [...globalFlags, "--network", network.name];
    return fork(script, [...flags, ...args], { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
  }
}

function serverFlags(urls: readonly string[]): string[] {
  return urls.flatMap((url) => ["--server", url]);
}
