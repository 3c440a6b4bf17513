import type { ClientAddresses } from "./client-address.ts";
import type { Listeners } from "./listeners.ts";
import type { MetricsServer } from "./metrics-server.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

/** What can change while clients are served. */
export interface LiveOptions {
  /** Read again, for the connections to come. Undefined: the certificate is none of files. */
  readonly tlsFiles: TlsFiles | undefined;
  readonly trustedProxies: readonly string[];
  readonly metricsListen: readonly string[];
}

interface LiveParts {
  readonly listeners: Listeners;
  readonly clientAddresses: ClientAddresses;
  readonly metrics: MetricsServer;
}

/** The servers of a coordinator or relay that runs, as far as they take up another configuration. */
export class LiveServers {
  readonly #parts: LiveParts;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** All or nothing. @throws MeshError `bad-config`, `port-in-use`, `not-permitted` */
  async take({ tlsFiles, trustedProxies, metricsListen }: LiveOptions): Promise<void> {
    const { listeners, clientAddresses, metrics } = this.#parts;
    const certificate = tlsFiles === undefined ? undefined : await readTlsFiles(tlsFiles);
    // The last that may fail: the proxies are CIDRs by the configuration's schema.
    await metrics.listen(metricsListen);
    clientAddresses.trust(trustedProxies);
    if (certificate !== undefined) listeners.useCertificate(certificate);
  }
}
