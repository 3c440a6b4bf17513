import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { createAuthority, issueServerCertificate } from "../../../src/coord/certificates/ca.ts";
import { CertificateKeeper } from "../../../src/coord/certificates/certificate-keeper.ts";
import { DEFAULT_LIMITS } from "../../../src/coord/limits.ts";
import { Listeners, type TlsMaterial } from "../../../src/web/listeners.ts";

const DAY_MS = 86_400_000;
const nowMs = Date.UTC(2026, 5, 1);

describe("certificate authority", () => {
  it("is a CA of ten years that signs servers and nothing below them", async () => {
    const authority = await createAuthority("mesh", nowMs);
    const certificate = new X509Certificate(authority.certificatePem);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: "prime256v1" });
    expect(certificate.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(authority.fingerprint);
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(nowMs + 9 * 365 * DAY_MS);
    expect(authority.privateKeyPem).toContain("BEGIN PRIVATE KEY");
    const other = await createAuthority("mesh", nowMs);
    expect(other.fingerprint).not.toBe(authority.fingerprint);
  });

  it("issues server certificates of 90 days for the fixed name, loopback and the hosts given", async () => {
    const authority = await createAuthority("mesh", nowMs);
    const issued = await issueServerCertificate(authority, ["mesh.example.com", "192.0.2.1", "2001:db8::1"], nowMs);
    const certificate = new X509Certificate(issued.certificatePem);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkIssued(new X509Certificate(authority.certificatePem))).toBe(true);
    expect(certificate.verify(new X509Certificate(authority.certificatePem).publicKey)).toBe(true);
    for (const host of ["mesh-coordinator", "localhost", "mesh.example.com"]) {
      expect(certificate.checkHost(host)).toBe(host);
    }
    for (const ip of ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"]) expect(certificate.checkIP(ip)).toBe(ip);
    expect(certificate.checkHost("other.example.com")).toBeUndefined();
    expect(Date.parse(certificate.validTo) - nowMs).toBe(90 * DAY_MS);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(nowMs);
    expect(issued.renewAtMs).toBe(nowMs + 60 * DAY_MS);
  });

  it("never issues beyond its own end", async () => {
    const authority = await createAuthority("mesh", nowMs);
    const late = authority.notAfterMs - 10 * DAY_MS;
    const certificate = new X509Certificate((await issueServerCertificate(authority, [], late)).certificatePem);
    expect(Date.parse(certificate.validTo)).toBe(authority.notAfterMs);
  });
});

describe("listeners", () => {
  it("take a renewed certificate into use without a restart", async () => {
    const authority = await createAuthority("mesh", Date.now());
    const [first, second] = [
      await issueServerCertificate(authority, [], Date.now()),
      await issueServerCertificate(authority, [], Date.now()),
    ];
    const listeners = await Listeners.open({
      listen: [{ host: "127.0.0.1", port: 0 }],
      tls: first,
      limits: DEFAULT_LIMITS,
      logger: silentLogger,
      onRequest: (_request, response) => void response.end(),
      onUpgrade: (_request, socket) => void socket.destroy(),
    });
    const presented = () =>
      new Promise<string>((resolve, reject) => {
        const { port } = listeners.addresses[0]!;
        const options = { host: "127.0.0.1", port, ca: authority.certificatePem, servername: "mesh-coordinator" };
        const socket = connect(options, () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.end();
        });
        socket.on("error", reject);
      });
    expect(await presented()).toBe(new X509Certificate(first.certificatePem).fingerprint256);
    listeners.useCertificate(second);
    expect(await presented()).toBe(new X509Certificate(second.certificatePem).fingerprint256);
    await listeners.close();
  });
});

describe("certificate keeper", () => {
  it("renews when a third of the life is left, not before", async () => {
    let wallMs = nowMs;
    const clock = { ...systemClock, wallMs: () => wallMs };
    const keeper = new CertificateKeeper(await createAuthority("mesh", nowMs), [], clock, silentLogger);
    const first = await keeper.issue();
    const used: TlsMaterial[] = [];
    const use = (material: TlsMaterial) => void used.push(material);
    wallMs = nowMs + 59 * DAY_MS;
    await keeper.renewIfDue(use);
    expect(used).toEqual([]);
    wallMs = nowMs + 60 * DAY_MS;
    await keeper.renewIfDue(use);
    await keeper.renewIfDue(use);
    expect(used).toHaveLength(1);
    expect(used[0]!.certificatePem).not.toBe(first.certificatePem);
    keeper.close();
  });
});
