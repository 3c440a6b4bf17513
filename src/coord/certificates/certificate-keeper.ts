import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { TlsMaterial } from "../../web/listeners.ts";
import { type Authority, issueServerCertificate } from "./ca.ts";

const CHECK_INTERVAL_MS = 3_600_000;

/** Has a valid server certificate of our CA at hand for as long as the process runs. */
export class CertificateKeeper {
  #authority: Authority;
  #clock: Clock;
  #logger: Logger;
  #hosts: readonly string[];
  #timer: NodeJS.Timeout | undefined;
  #renewAtMs = 0;

  constructor(authority: Authority, hosts: readonly string[], clock: Clock, logger: Logger) {
    this.#authority = authority;
    this.#hosts = hosts;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** A fresh certificate, also for `hosts`. */
  async issue(): Promise<TlsMaterial> {
    const certificate = await issueServerCertificate(this.#authority, this.#hosts, this.#clock.wallMs());
    this.#renewAtMs = certificate.renewAtMs;
    return certificate;
  }

  /** Hands a fresh certificate to `use` whenever one is due, until `close`. */
  keepRenewed(use: (certificate: TlsMaterial) => void): void {
    this.#timer = setInterval(() => {
      this.renewIfDue(use).catch((error: unknown) => this.#logger.error({ error }, "the certificate was not renewed"));
    }, CHECK_INTERVAL_MS);
    this.#timer.unref();
  }

  async renewIfDue(use: (certificate: TlsMaterial) => void): Promise<void> {
    if (this.#clock.wallMs() < this.#renewAtMs) return;
    use(await this.issue());
    this.#logger.info({}, "server certificate renewed");
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
