import { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabSegment } from "./lab-segment.ts";
import { MeshPeer, type MeshPeerOptions } from "./mesh-peer.ts";
import { MeshServer } from "./mesh-server.ts";

const SERVER_URL = "https://192.0.2.1:8443";

/** One segment with a coordinator on it (192.0.2.1, 2001:db8::1) and as many hosts (.2, ::2 and up) as are asked for. */
export class SmallNetwork implements AsyncDisposable {
  readonly lab: Lab;
  readonly segment: LabSegment;
  readonly serverHost: LabHost;
  readonly hosts: readonly LabHost[];
  server: MeshServer;

  private constructor(
    lab: Lab,
    segment: LabSegment,
    serverHost: LabHost,
    hosts: readonly LabHost[],
    server: MeshServer,
  ) {
    this.lab = lab;
    this.segment = segment;
    this.serverHost = serverHost;
    this.hosts = hosts;
    this.server = server;
  }

  static async open(...labels: string[]): Promise<SmallNetwork> {
    const lab = await Lab.open();
    try {
      const segment = await lab.segment("segment");
      const serverHost = await lab.host("server");
      await segment.attach(serverHost, "eth0", ["192.0.2.1/24", "2001:db8::1/64"]);
      const hosts: LabHost[] = [];
      for (const [index, label] of labels.entries()) {
        const host = await lab.host(label);
        await segment.attach(host, "eth0", [`192.0.2.${index + 2}/24`, `2001:db8::${index + 2}/64`]);
        hosts.push(host);
      }
      const server = await MeshServer.start(serverHost, { publicUrl: SERVER_URL });
      return new SmallNetwork(lab, segment, serverHost, hosts, server);
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  host(label: string): LabHost {
    const found = this.hosts.find((host) => host.label === label);
    if (found === undefined) throw new Error(`there is no host ${label} here`);
    return found;
  }

  /** Joins in the foreground with a token of its own. */
  async join(label: string, options: Partial<MeshPeerOptions> = {}): Promise<MeshPeer> {
    const { token } = await this.server.createToken();
    return MeshPeer.join(this.host(label), { server: this.server.url, token, ...options });
  }

  /** @param args further flags of `mesh serve` */
  async startServerAgain(...args: string[]): Promise<void> {
    const { home } = this.server;
    this.server = await MeshServer.start(this.serverHost, { publicUrl: SERVER_URL, home, args });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}
