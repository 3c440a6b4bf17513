import { describe, expect, it } from "vitest";
import { prettyLogLine } from "../../../../src/daemon/log/log-line.ts";

describe("the log for people", () => {
  it("is time, level, message and fields on one line", () => {
    const line = JSON.stringify({
      level: 40,
      time: "2026-01-31T12:00:00.000Z",
      msg: "path lost",
      peer: "bob",
      rttMs: 1.5,
    });
    expect(prettyLogLine(`${line}\n`)).toBe("2026-01-31T12:00:00.000Z warn  path lost peer=bob rttMs=1.5");
  });

  it("quotes what could be misread, and never breaks the line", () => {
    const line = JSON.stringify({
      level: 50,
      time: "T",
      msg: "x",
      why: 'a "b"\nc',
      err: { stack: "E\n at f" },
      list: [1],
    });
    expect(prettyLogLine(line)).toBe('T error x why="a \\"b\\"\\nc" err="E\\n at f" list=[1]');
  });

  it("passes on what is no JSON", () => {
    expect(prettyLogLine("plain text\n")).toBe("plain text");
  });
});
