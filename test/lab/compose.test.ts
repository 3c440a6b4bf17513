import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";

const DIRECTORY = new URL("../../configs/docker/", import.meta.url);
const ENTRY_POINT = fileURLToPath(new URL("../../dist/bundle/main.js", import.meta.url));

const composeSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      entrypoint: z.array(z.string()).optional(),
      command: z.array(z.string()).default([]),
      volumes: z.array(z.string()),
      networks: z.object({ default: z.object({ ipv4_address: z.string() }) }).optional(),
    }),
  ),
});

// As Docker would run them, but for the containers: a namespace is the network, a directory each volume.
const { services } = composeSchema.parse(
  parse(readFileSync(new URL("compose.yaml", DIRECTORY), "utf8"), { merge: true }),
);
const dockerfile = readFileSync(new URL("Dockerfile", DIRECTORY), "utf8");

let lab: Lab;
let volumes: string;
let path: string;
const hosts = new Map<string, LabHost>();

beforeAll(async () => {
  lab = await Lab.open();
  const segment = await lab.segment("compose");
  for (const [name, { networks }] of Object.entries(services)) {
    const host = await lab.host(name);
    hosts.set(name, host);
    if (networks !== undefined) await segment.attach(host, "eth0", [`${networks.default.ipv4_address}/24`]);
  }
  const scratch = hostOf("tokens").scratchDirectory;
  volumes = join(scratch, "volumes");
  const programs = join(scratch, "bin");
  for (const directory of [volumes, programs]) mkdirSync(directory);
  writeFileSync(join(programs, "mesh"), `#!/bin/sh\nexec ${process.execPath} ${ENTRY_POINT} "$@"\n`);
  chmodSync(join(programs, "mesh"), 0o755);
  path = `${programs}:${process.env.PATH}`;
});
afterAll(() => lab?.[Symbol.asyncDispose]());

function hostOf(service: string): LabHost {
  const host = hosts.get(service);
  if (host === undefined) throw new Error(`compose.yaml has no service ${service}`);
  return host;
}

/** The command line of a service, `more` in the place of its command, with the environment of the image. */
function lineOf(service: string, ...more: string[]): string[] {
  const { entrypoint, command, volumes: mounts } = services[service]!;
  const places = mounts.map((mount) => mount.split(":")).map(([volume = "", place = ""]) => ({ volume, place }));
  const here = (text: string) =>
    places.reduce((line, { volume, place }) => line.replaceAll(`${place}/`, `${join(volumes, volume)}/`), text);
  for (const { volume } of places) mkdirSync(join(volumes, volume), { recursive: true });
  const image = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? "");
  const home = here(`${/^ENV MESH_HOME=(.+)$/m.exec(dockerfile)?.[1]}/`);
  // $$ is a $ in a compose file.
  const line = [...(more.length > 0 ? image : (entrypoint ?? image)), ...(more.length > 0 ? more : command)];
  return [`PATH=${path}`, `MESH_HOME=${home}`, ...line.map((word: string) => here(word).replaceAll("$$", "$"))];
}

const start = (service: string) => hostOf(service).start("env", lineOf(service));

it("the services of the compose file find each other", async () => {
  const coordinator = await start("coordinator");
  await coordinator.waitForOutput(/^ready /m);
  await hostOf("tokens").must("env", ...lineOf("tokens"));
  // As after a restart of everything: what is there serves.
  await hostOf("tokens").must("env", ...lineOf("tokens"));
  const relay = await start("relay");
  const alice = await start("alice");
  const bob = await start("bob");
  await relay.waitForOutput(/^ready https:\/\/172\.30\.86\.3/m);
  await alice.waitForOutput(/running: alice in mesh/);
  await bob.waitForOutput(/running: bob in mesh/);
  await eventually(
    "alice sees bob",
    async () => (await hostOf("alice").run("env", ...lineOf("alice", "ping", "bob", "-c", "1"))).status === 0,
  );

  // A peer's container that is made anew with its volume is the same peer, by the same command.
  expect(await alice.stop()).toBe(0);
  const again = await start("alice");
  await again.waitForOutput(/running: alice in mesh/);
  await hostOf("alice").must("env", ...lineOf("alice", "ping", "bob", "-c", "1"));
});
