import { Command, CommanderError } from "commander";
import { MAX_PROPOSED_CHANGES, type ProposedChange } from "../api/policy-test.ts";
import { type BadLine, badLines } from "../base/bad-lines.ts";
import { MeshError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { AdminClient } from "./clients/admin-client.ts";
import type { AdminDoor } from "./clients/admin-door.ts";
import type { OpenAdmin } from "./clients/open-admin.ts";
import type { UnixCall } from "./clients/unix-http.ts";
import { registerAssociation } from "./commands/association.ts";
import { registerCidr } from "./commands/cidr.ts";
import { registerFilter } from "./commands/filter.ts";
import { registerPeer } from "./commands/peer.ts";
import { usageError } from "./options/usage-error.ts";

/** Each line is a command as it would be typed after `mesh`. @throws MeshError `bad-changes` naming lines */
export async function parseChanges(text: string): Promise<ProposedChange[]> {
  const changes: ProposedChange[] = [];
  const bad: BadLine[] = [];
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    try {
      const words = splitWords(whole);
      if (words.length === 0) continue;
      if (changes.length + bad.length === MAX_PROPOSED_CHANGES) {
        throw new MeshError("bad-changes", `line ${line}: ${MAX_PROPOSED_CHANGES} changes are all there can be`);
      }
      const { method, path, body } = await requestOf(words);
      changes.push({ line, method, path, body });
    } catch (thrown) {
      if (!(thrown instanceof MeshError) || thrown.code === "bad-changes") throw thrown;
      bad.push({ line, problem: thrown.message });
    }
  }
  if (bad.length > 0) throw badLines("bad-changes", bad);
  return changes;
}

/** Words as in a shell, with quotes of both kinds and nothing else; a `#` that begins a word begins a comment. */
function splitWords(line: string): string[] {
  const words: string[] = [];
  const next = /\s*(?:#.*|((?:[^\s"']|"[^"]*"|'[^']*')+)|$)/sy;
  while (next.lastIndex < line.length) {
    const [, word] = next.exec(line) ?? [];
    if (word !== undefined) words.push(word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
    else if (next.lastIndex === 0) throw new MeshError("bad-usage", "a quote is not closed");
  }
  return words;
}

/** Who is there by these words has something to do with who may reach whom. */
const REGISTER: Readonly<Record<string, (program: Command, openAdmin: OpenAdmin) => void>> = {
  association: registerAssociation,
  cidr: registerCidr,
  filter: (program, openAdmin) => registerFilter(program, { status: 0 }, openAdmin),
  peer: registerPeer,
};

/** What the command would ask of the coordinator: it is run with nobody to ask. @throws MeshError as the command */
async function requestOf(words: readonly string[]): Promise<UnixCall> {
  const [group = ""] = words;
  const register = Object.hasOwn(REGISTER, group) ? REGISTER[group] : undefined;
  if (register === undefined) {
    const groups = Object.keys(REGISTER).join(", ");
    throw new MeshError("bad-usage", `${quote(group)} is none of the commands that change the policy: ${groups}`);
  }
  const program = new Command()
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .hook("preAction", (_program, command) => requireNetwork(command));
  register(program, async () => new AdminClient(RECORDER));
  try {
    await program.parseAsync([...words], { from: "user" });
  } catch (thrown) {
    if (thrown instanceof Recorded) return thrown.call;
    const error = thrown instanceof CommanderError ? usageError(thrown) : thrown;
    if (error !== undefined) throw error;
  }
  throw new MeshError("bad-usage", "this asks nothing of the coordinator");
}

/** The rules of one machine are not the coordinator's to know. @throws MeshError `bad-usage` */
function requireNetwork(command: Command): void {
  if (command.parent?.name() !== "filter" || command.opts<{ scope?: string }>().scope === "network") return;
  throw new MeshError("bad-usage", "without `--scope network` this is about the rules of one machine");
}

/** Thrown in the place of an answer, so that a command ends with what it has asked. */
class Recorded {
  readonly call: UnixCall;

  constructor(call: UnixCall) {
    this.call = call;
  }
}

const record = (call: UnixCall): Promise<never> => Promise.reject(new Recorded(call));
const RECORDER: AdminDoor = { call: record, bytes: record };
