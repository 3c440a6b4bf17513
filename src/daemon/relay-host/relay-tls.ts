import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import type { TlsMaterial } from "../../web/listeners.ts";
import type { RelayState } from "./relay-state.ts";

/** A certificate is renewed while this share of its life is left. */
const RENEW_SHARE = 1 / 3;

/**
 * The key of our TLS server and the coordinator's certificate for it. The key is made here and never leaves; both are kept
 * on disk, so that peers find a relay that started without the coordinator.
 */
export class RelayTls {
  readonly #file: RelayState["tls"];
  readonly #privateKeyPem: string;
  #certificatePem: string | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  private constructor(file: RelayState["tls"], privateKeyPem: string, certificatePem: string | undefined) {
    this.#file = file;
    this.#privateKeyPem = privateKeyPem;
    this.#certificatePem = certificatePem;
  }

  static async open(file: RelayState["tls"]): Promise<RelayTls> {
    const stored = await file.read();
    if (stored !== undefined) return new RelayTls(file, stored.privateKeyPem, stored.certificatePem ?? undefined);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const privateKeyPem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    await file.write({ version: 1, privateKeyPem, certificatePem: null });
    return new RelayTls(file, privateKeyPem, undefined);
  }

  /** SubjectPublicKeyInfo, DER, base64: what is to be certified. */
  get publicKey(): string {
    const key = createPublicKey(createPrivateKey(this.#privateKeyPem));
    return key.export({ format: "der", type: "spki" }).toString("base64");
  }

  /** Undefined before the first certificate. */
  get material(): TlsMaterial | undefined {
    if (this.#certificatePem === undefined) return undefined;
    return { certificatePem: this.#certificatePem, privateKeyPem: this.#privateKeyPem };
  }

  isRenewalDue(nowMs: number): boolean {
    if (this.#certificatePem === undefined) return true;
    const { validFrom, validTo } = new X509Certificate(this.#certificatePem);
    const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)];
    return nowMs >= toMs - RENEW_SHARE * (toMs - fromMs);
  }

  /** In use at once, and on disk when this is done. */
  keep(certificatePem: string): Promise<void> {
    this.#certificatePem = certificatePem;
    const written = this.#lastWrite.then(() =>
      this.#file.write({ version: 1, privateKeyPem: this.#privateKeyPem, certificatePem }),
    );
    // The next write waits for this one, whatever became of it; its failure is its caller's to see.
    this.#lastWrite = written.catch(() => undefined);
    return written;
  }

  /** Returns once nothing is being written any more. */
  async flush(): Promise<void> {
    await this.#lastWrite;
  }
}
