// under-syscall-filter.mjs FILTER PROGRAM ARGS…: becomes the program, which may use no system calls but those of FILTER, the
// values of a unit's lines SystemCallFilter= with a comma between (systemd.exec(5)). Others fail with EPERM. libseccomp(3) does it
// for systemd as well.
import { execFileSync } from "node:child_process";
import koffi from "koffi";

const ALLOW = 0x7fff0000;
const FAIL_WITH_EPERM = 0x00050001;
/** fcntl(2). */
const F_SETFD = 2;

/** System calls by the name of their group, as systemd knows them. */
function readGroups() {
  const groups = new Map();
  let members = [];
  for (const line of execFileSync("systemd-analyze", ["--no-pager", "syscall-filter"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).split("\n")) {
    const word = line.trim();
    if (line.startsWith("@")) {
      members = [];
      groups.set(word, members);
    } else if (word !== "" && !word.startsWith("#")) members.push(word);
  }
  return groups;
}

function callsOf(words, groups) {
  return words.flatMap((word) => (word.startsWith("@") ? callsOf(groups.get(word) ?? [], groups) : word));
}

function allowedCalls(filter) {
  const groups = readGroups();
  const allowed = new Set();
  for (const line of filter.split(",")) {
    const isTakenAway = line.startsWith("~");
    for (const call of callsOf(line.replace("~", "").split(" "), groups)) {
      if (isTakenAway) allowed.delete(call);
      else allowed.add(call);
    }
  }
  return allowed;
}

const [, , filter = "", ...command] = process.argv;
const calls = allowedCalls(filter);
if (calls.size < 200) throw new Error(`only ${calls.size} system calls are in ${filter}`);
const seccomp = koffi.load("libseccomp.so.2");
const context = seccomp.func("void *seccomp_init(uint32_t action)")(FAIL_WITH_EPERM);
const numberOf = seccomp.func("int seccomp_syscall_resolve_name(const char *name)");
const add = seccomp.func(
  "int seccomp_rule_add_array(void *context, uint32_t action, int call, unsigned int n, void *args)",
);
for (const name of calls) {
  const number = numberOf(name);
  // Of another architecture, or newer than the library.
  if (number >= 0) add(context, ALLOW, number, 0, null);
}
const loaded = seccomp.func("int seccomp_load(void *context)")(context);
if (loaded !== 0) throw new Error(`the filter is refused: ${loaded}`);
const libc = koffi.load("libc.so.6");
const fcntl = libc.func("int fcntl(int fd, int command, ...)");
// Node has what it was started with closed in programs that it starts.
for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, "int", 0);
libc.func("int execvp(const char *file, const char **argv)")(command[0], [...command, null]);
throw new Error(`${command[0]} cannot be executed`);
