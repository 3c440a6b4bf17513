import type { CoordinatorMessage, RelayAnnouncement } from "../api/control-channel.ts";
import { meshErrorFromBody } from "../api/error-body.ts";
import type { MachineKeys } from "../api/machine-signature.ts";
import { applyPolicyDelta, type RelayPolicyDocument } from "../api/relay-policy.ts";
import type { MeshError } from "../base/errors.ts";
import { authenticate } from "./authenticate.ts";
import type { ControlChannelDeps } from "./control-channel-types.ts";
import { CoordinatorLink, type CoordinatorLinkOptions } from "./coordinator-link.ts";

export interface RelayChannelOptions extends CoordinatorLinkOptions {
  readonly networkId: string;
  readonly key: MachineKeys;
  /** Where peers find this relay. */
  readonly announcement: Omit<RelayAnnouncement, "type">;
  /** The one on disk, on which deltas may build. */
  readonly policy: RelayPolicyDocument | undefined;
}

export interface RelayChannelHandlers {
  /** The whole policy after every change. */
  readonly onPolicy: (policy: RelayPolicyDocument) => void;
  /** PEM, for the key that was announced. */
  readonly onCertificate: (certificatePem: string) => void;
  /** The connection has ended, or was not to be had. */
  readonly onDisconnected: (error: MeshError) => void;
}

/** A stand-alone relay's end of the control WebSocket: keeps the policy complete by its deltas, and tells where we are. */
export class RelayChannel implements AsyncDisposable {
  readonly #options: RelayChannelOptions;
  readonly #handlers: RelayChannelHandlers;
  readonly #deps: ControlChannelDeps;
  readonly #link: CoordinatorLink;
  #policy: RelayPolicyDocument | undefined;
  #isWelcome = false;

  constructor(options: RelayChannelOptions, handlers: RelayChannelHandlers, deps: ControlChannelDeps) {
    this.#options = options;
    this.#handlers = handlers;
    this.#deps = deps;
    this.#policy = options.policy;
    this.#link = new CoordinatorLink(
      options,
      {
        onMessage: (message, url) => this.#receive(message, url),
        onSign: () => undefined,
        onDisconnected: (error) => {
          this.#isWelcome = false;
          if (error !== null) handlers.onDisconnected(error);
        },
      },
      deps,
    );
  }

  start(): void {
    this.#link.start();
  }

  /** Tells the coordinator where we are, and so asks for another certificate; true when there is a connection. */
  announce(): boolean {
    if (this.#isWelcome) this.#link.send({ type: "relay", ...this.#options.announcement });
    return this.#isWelcome;
  }

  /** The coordinator knows us, and is in touch. */
  get isConnected(): boolean {
    return this.#isWelcome;
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #receive(message: CoordinatorMessage, url: string): void {
    switch (message.type) {
      case "hello": {
        const { networkId, key } = this.#options;
        this.#link.send(authenticate(message, { networkId, keys: key, heldVersion: this.#policy?.version ?? null }));
        return;
      }
      case "welcome":
        this.#link.welcomed();
        this.#isWelcome = true;
        this.#deps.logger.info({ url }, "connected to the coordinator");
        this.announce();
        return;
      case "policy":
        this.#take(message.policy);
        return;
      case "policy-delta": {
        const next = this.#policy === undefined ? undefined : applyPolicyDelta(this.#policy, message.delta);
        if (next !== undefined) {
          this.#take(next);
          return;
        }
        this.#policy = undefined;
        this.#link.renew();
        return;
      }
      case "certificate":
        this.#handlers.onCertificate(message.certificatePem);
        return;
      case "rejected":
        throw meshErrorFromBody(message.error);
    }
  }

  #take(policy: RelayPolicyDocument): void {
    this.#policy = policy;
    this.#handlers.onPolicy(policy);
  }
}
