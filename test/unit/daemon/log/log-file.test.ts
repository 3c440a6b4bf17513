import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Redactor } from "../../../../src/base/redactor.ts";
import { openLogTo } from "../../../../src/daemon/log/log.ts";
import { logEntryOf, readLogFile } from "../../../../src/daemon/log/log-file.ts";
import { prettyLogLine } from "../../../../src/daemon/log/log-line.ts";

let file: string;
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), "mesh-log-")), "daemon.log");
});
afterEach(() => rmSync(join(file, ".."), { recursive: true, force: true }));

describe("what a daemon in the background has logged", () => {
  it.each(["pretty", "json"] as const)("is read again as it was said: %s", (format) => {
    const lines: string[] = [];
    const { logger } = openLogTo((text) => void lines.push(text.trimEnd()), { format, verbose: true });
    logger.warn({ peer: "bob" }, "path lost");
    const entry = logEntryOf(lines[0]!);
    expect(entry).toMatchObject({ level: 40, msg: expect.stringMatching(/^path lost/), time: expect.anything() });
    expect(prettyLogLine(JSON.stringify(entry))).toMatch(/^\S+Z warn {2}path lost peer=bob$/);
  });

  it("may have lines that are none of the log", () => {
    for (const line of ["Segmentation fault", "{ half", "7", "2026 is no time", ""]) {
      expect(logEntryOf(line)).toEqual({ msg: line });
      expect(prettyLogLine(JSON.stringify({ msg: line }))).toBe(line);
    }
  });

  it("is its end where it is long, from the begin of a line, without secrets", async () => {
    const secret = "token=mesh1_abcdef";
    writeFileSync(file, `${Array.from({ length: 100_000 }, (_, n) => `line ${n} of many`).join("\n")}\n${secret}\n`);
    const lines = (await readLogFile(file, new Redactor()))!;
    expect(lines[0]).toMatch(/^line \d+ of many$/);
    expect(lines.length).toBeGreaterThan(10_000);
    expect(lines.at(-1)).not.toContain("abcdef");
    expect(await readLogFile(`${file}.none`, new Redactor())).toBeUndefined();
  });
});
