import type { NetworkMap } from "../../api/network-map.ts";
import type { DialAttempt } from "../../host/dial-race.ts";
import { ownInterfaces } from "../../host/own-interfaces.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import { SshTransport } from "../../transports/ssh/ssh-transport.ts";
import type { PipeLink, PipeLinkContext } from "./pipe-link.ts";

/** Both families apart, so that a host without one of them still has the other. */
const ANY_ADDRESS = ["0.0.0.0", "::"];

/** The tunnel's way over SSH between the peers themselves: our server, and connections to those who run one. */
export class SshLink implements PipeLink {
  readonly #transport: SshTransport;
  readonly #tunnel: Tunnel;

  private constructor(transport: SshTransport, tunnel: Tunnel) {
    this.#transport = transport;
    this.#tunnel = tunnel;
  }

  /** A port that is taken is told in `problem`, and keeps nothing else from working. */
  static async open({ keys, settings, tunnel, sockets, clock, logger }: PipeLinkContext): Promise<SshLink> {
    const { sshPorts, sshJump: jump } = settings;
    const { dial: socketFactory, bindListener } = sockets;
    const machineSeed = keys.exportMachineSeed();
    try {
      const listen = sshPorts.flatMap((port) => ANY_ADDRESS.map((host) => ({ host, port })));
      const transport = await tunnel.paths.attachOpened((handlers) =>
        SshTransport.open(
          { machineSeed, listen, ...(jump === null ? {} : { jump }) },
          { handlers, logger, clock, socketFactory, bindListener },
        ),
      );
      return new SshLink(transport, tunnel);
    } finally {
      machineSeed.fill(0);
    }
  }

  /** The ports that our server has. */
  get ports(): readonly number[] {
    return [...new Set(this.#transport.listening.flatMap(({ listening }) => listening?.port ?? []))];
  }

  /** What the user should know: a port on which nothing listens in either family, a jump host that is of no use. */
  get problem(): string | undefined {
    const ports = new Set(this.ports);
    const { listening, jumpProblem } = this.#transport;
    const failed = listening.find(({ wanted, error }) => error !== null && !ports.has(wanted.port));
    if (failed?.error != null) return `no SSH server for peers here: ${failed.error.message}`;
    return jumpProblem?.message;
  }

  /** What came of the endpoints of the latest dial to this peer (WireGuard key). */
  attemptsOf(peer: string): readonly DialAttempt[] {
    return this.#transport.attemptsOf(peer);
  }

  setMap(map: NetworkMap): void {
    this.#transport.setPeers(
      map.peers.map(({ wireguardKey, machineKey, sshEndpoints }) => ({
        publicKey: wireguardKey,
        machineKey,
        sshEndpoints,
      })),
    );
  }

  /** The host's addresses may be others than before. */
  checkNow(): void {
    const addresses = Object.values(ownInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
    this.#transport.networkChanged(new Set(addresses));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tunnel.paths.detach(this.#transport);
    await this.#transport.close();
  }
}
