import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemAuthorities } from "../../../src/control/system-authorities.ts";

describe("the CAs that this machine trusts", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-authorities-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("are those in the file that SSL_CERT_FILE names, and no others", () => {
    const file = join(directory, "ca.pem");
    writeFileSync(file, "one CA");
    expect(systemAuthorities({ SSL_CERT_FILE: file })).toEqual(["one CA"]);
  });

  it("are none to be guessed when that file is not there", () => {
    expect(() => systemAuthorities({ SSL_CERT_FILE: join(directory, "missing") })).toThrow(
      expect.objectContaining({ code: "bad-usage" }),
    );
  });

  it("are the system's, or Node's own, otherwise", () => {
    for (const environment of [{}, { SSL_CERT_FILE: "" }])
      expect(systemAuthorities(environment)[0]).toMatch(/^-----BEGIN CERTIFICATE-----$/m);
  });
});
