import { readFileSync } from "node:fs";

/** Ticks per second of the times in /proc/PID/stat: USER_HZ, 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** User and system CPU seconds of the processes so far, all threads, `/proc/PID/stat` fields 14 and 15. */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident bytes of a process, and of those the ones that are its alone (not in files, not shared). */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return { rss: field("VmRSS"), anonymous: field("RssAnon") };
}

/** The machine's busy and total CPU ticks since boot, all cores (/proc/stat). */
export function machineTicks() {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  // user nice system idle iowait irq softirq steal; guest times are in user and nice already.
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number);
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, total: busy + idle + iowait };
}
