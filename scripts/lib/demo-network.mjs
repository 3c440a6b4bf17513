import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Background } from "./background.mjs";
import { detail, ScriptError } from "./console.mjs";
import { addNamespace, addVeth, deleteNamespace, insideNamespace, sweepNamespaces } from "./netns.mjs";
import { mustRun } from "./process.mjs";
import { meshEntryPoint } from "./project.mjs";

const SERVER_URL = "https://192.0.2.1:8443";
// Addresses for documentation (RFC 5737, 3849): the underlay, as different from the mesh's as can be.
const MACHINES = {
  coordinator: ["192.0.2.1/24", "2001:db8::1/64"],
  alice: ["192.0.2.2/24", "2001:db8::2/64"],
  bob: ["192.0.2.3/24", "2001:db8::3/64"],
};
const READY_TIMEOUT_MS = 30_000;

/** The demo's machines: a namespace and a home directory each. */
export class DemoNetwork {
  #defer;
  #homes;
  #namespaces = {};
  #daemons = {};

  static async create(defer) {
    const network = new DemoNetwork();
    network.#defer = defer;
    await sweepNamespaces();
    const homes = mkdtempSync(join(tmpdir(), "mesh-demo-"));
    defer(() => rmSync(homes, { recursive: true, force: true }));
    network.#homes = homes;
    await network.#wire();
    return network;
  }

  /** Starts the coordinator. @returns {Promise<string>} where it serves */
  async serve() {
    const server = this.#daemon("coordinator", ["serve", "--public-url", SERVER_URL]);
    const [, url] = await server.waitFor(/^ready (\S+)/m);
    return url;
  }

  /** Makes a token for `name` and joins with it; returns when the daemon runs. */
  async join(name) {
    const { token } = await this.mesh("coordinator", "token", "create", "--name", name, "--json");
    const daemon = this.#daemon(name, ["join", "--server", SERVER_URL, "--token", token, "--name", name], (line) =>
      detail(`${name}: ${line}`),
    );
    await this.#until(`${name} runs`, async () => {
      if (!daemon.isRunning) await daemon.waitFor(/$^/);
      return (await this.status(name)).state === "running";
    });
  }

  /** Waits until each of the two sees a working path to the other. */
  async paths() {
    for (const [name, other] of [
      ["alice", "bob"],
      ["bob", "alice"],
    ]) {
      await this.#until(`${name} has a path to ${other}`, async () => {
        const peer = (await this.status(name)).peers.find((each) => each.name === other);
        return peer?.path != null;
      });
    }
  }

  status(name) {
    return this.mesh(name, "status", "--json");
  }

  /** Runs `mesh …` of the machine `name`; what it printed, parsed as JSON (an array where it prints lines). */
  async mesh(name, ...args) {
    const command = [meshEntryPoint, "--home", this.#home(name), ...args];
    const text = (await this.run(name, process.execPath, ...command)).trim();
    return text.startsWith("{") && text.includes("}\n{")
      ? text.split("\n").map((line) => JSON.parse(line))
      : JSON.parse(text);
  }

  /** Runs a program on the machine `name`. @returns {Promise<string>} its standard output */
  async run(name, program, ...args) {
    const { stdout } = await mustRun(...insideNamespace(this.#namespaces[name], program, args), { timeoutMs: 60_000 });
    return stdout;
  }

  /** Starts a program on the machine `name` that runs until the end of the demo. */
  background(name, program, ...args) {
    const background = new Background(`${name}: ${program}`, ...insideNamespace(this.#namespaces[name], program, args));
    this.#defer(() => background.stop());
    return background;
  }

  hints() {
    const mesh = (name) => `ip netns exec ${this.#namespaces[name]} node ${meshEntryPoint} --home ${this.#home(name)}`;
    return [`${mesh("alice")} status`, `${mesh("bob")} ping alice`, `${mesh("coordinator")} token list`];
  }

  async #wire() {
    const wire = async (label) => {
      const namespace = await addNamespace(label);
      this.#defer(() => deleteNamespace(namespace));
      return namespace;
    };
    const hub = await wire("switch");
    await mustRun("ip", ["-n", hub, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0"]);
    await mustRun("ip", ["-n", hub, "link", "set", "bridge", "up"]);
    for (const [name, addresses] of Object.entries(MACHINES)) {
      const namespace = await wire(name);
      this.#namespaces[name] = namespace;
      await addVeth({ namespace, device: "eth0", addresses }, { namespace: hub, device: name });
      await mustRun("ip", ["-n", hub, "link", "set", name, "master", "bridge"]);
      detail(`${name}: ${addresses.join(", ")}`);
    }
  }

  #daemon(name, args, onLine) {
    const command = [meshEntryPoint, "--home", this.#home(name), ...args];
    const inside = insideNamespace(this.#namespaces[name], process.execPath, command);
    const daemon = new Background(`${name}: mesh ${args[0]}`, ...inside, onLine);
    this.#defer(() => daemon.stop());
    this.#daemons[name] = daemon;
    return daemon;
  }

  #home(name) {
    return join(this.#homes, name);
  }

  async #until(what, probe) {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    let last = "no";
    while (Date.now() < deadline) {
      try {
        if (await probe()) return;
      } catch (error) {
        if (Object.values(this.#daemons).some((daemon) => !daemon.isRunning)) throw error;
        last = error.message;
      }
      await sleep(100);
    }
    throw new ScriptError(`not within ${READY_TIMEOUT_MS / 1000} s: ${what} (last answer: ${last})`);
  }
}
