import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../../src/base/error-codes.ts";

const HEAD = `# Error codes

Every failure that a command or an API reports carries one of these codes: in \`--json\` mode on stderr as
\`{"error":{"code","message","hint"}}\`, and as the body of every HTTP answer that is no success. Codes are stable: scripts
may rely on them. The exit statuses: 1 failed · 2 wrong usage · 3 no daemon is running · 4 not permitted · 5 no such thing ·
6 already exists or in conflict · 7 timed out.

| code | exit status | HTTP status | what to do |
|---|---|---|---|
`;

describe("docs/errors.md", () => {
  it("has each code on a line of its own (`npx vitest run --project unit -u errors-document` writes it)", async () => {
    const lines = Object.entries(ERROR_CODES)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, { exit, http, hint }]) => `| \`${code}\` | ${exit} | ${http} | ${hint.replaceAll("|", "\\|")} |\n`);
    expect(lines.length).toBeGreaterThan(20);
    await expect(HEAD + lines.join("")).toMatchFileSnapshot("../../../docs/errors.md");
  });
});
