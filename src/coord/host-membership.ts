import { tokenCreateSchema } from "../api/admin.ts";
import type { Clock } from "../base/clock.ts";
import type { DisposeStack } from "../base/dispose.ts";
import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { deriveUrls } from "../web/own-urls.ts";
import type { Authority } from "./certificates/ca.ts";
import { CertificateKeeper } from "./certificates/certificate-keeper.ts";
import type { PublicServers } from "./http/public-servers.ts";
import { isNameReserved, issueToken, type TokenAddressing } from "./joining/tokens.ts";
import type { Registry } from "./registry.ts";
import type { Store } from "./store/store.ts";

/** Long enough for one start; what a start that failed left unused is worthless soon. */
const TOKEN_LIFETIME_SECONDS = 300;

const LOOPBACK = "127.0.0.1";
/** As many as a join token may carry. */
const MAX_TOKEN_URLS = 8;

interface HostMembershipDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly authority: Authority;
  /** Of the tokens for others. */
  readonly addressing: TokenAddressing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the machine that the coordinator runs on needs to be a peer as well (`mesh serve --join`). */
export class HostMembership {
  readonly #deps: HostMembershipDeps;

  private constructor(deps: HostMembershipDeps) {
    this.#deps = deps;
  }

  /**
   * Opens a door for this machine alone: on loopback, by a certificate of our own CA. So it comes in whatever the world is
   * shown, be it plain HTTP to a proxy or another CA's certificate, and where the public URL leads nowhere from inside.
   */
  static async open(
    servers: PublicServers,
    deps: HostMembershipDeps,
    resources: DisposeStack,
  ): Promise<HostMembership> {
    const { authority, addressing, clock, logger } = deps;
    const certificates = new CertificateKeeper(authority, [LOOPBACK], clock, logger);
    resources.defer(() => certificates.close());
    const door = await servers.open([{ host: LOOPBACK, port: 0 }], { tls: await certificates.issue(), authority });
    certificates.keepRenewed((certificate) => door.useCertificate(certificate));
    // The others hold good where they are served by the same CA.
    const others = addressing.caFingerprint === undefined ? [] : addressing.urls;
    const urls = [...deriveUrls("https", door.addresses), ...others].slice(0, MAX_TOKEN_URLS);
    const own = { network: addressing.network, urls, caFingerprint: authority.fingerprint };
    return new HostMembership({ ...deps, addressing: own });
  }

  /** Where this machine, and no other, reaches the coordinator, best first. */
  get urls(): readonly string[] {
    return this.#deps.addressing.urls;
  }

  /** As what a machine key is a peer; undefined for that of a stranger. */
  nameOf(machineKey: string): string | undefined {
    return this.#deps.registry.byMachineKey(machineKey)?.name;
  }

  /**
   * A join token for `infra`, good for one machine and for minutes. It goes to our own child process by word of mouth, and
   * from there through the same registration as everybody's. It is not bound to the name: a start that fails would keep the
   * name from the next one.
   * @throws MeshError `name-taken`, `bad-request` when `infra` is divided
   */
  invite(name: string): Promise<string> {
    const { store, clock, addressing } = this.#deps;
    return store.write(async (writer) => {
      const { db } = writer;
      const nowMs = clock.wallMs();
      const peer = await db.selectFrom("peers").select("id").where("name", "=", name).executeTakeFirst();
      if (peer !== undefined || (await isNameReserved(writer, name, "", nowMs))) throw nameTaken(name);
      // Whatever it is called by now.
      const infra = await db.selectFrom("cidrs").select("name").where("role", "=", "infra").executeTakeFirstOrThrow();
      const request = tokenCreateSchema.parse({ cidr: infra.name, expiresInSeconds: TOKEN_LIFETIME_SECONDS });
      const { token } = await issueToken(writer, request, { addressing, actor: "coordinator" }, nowMs);
      return token;
    });
  }
}

function nameTaken(name: string): MeshError {
  return new MeshError("name-taken", `this host cannot join as ${name}: the name is taken`, {
    hint: `Choose another name with \`--join NAME\`, or free it: \`mesh peer delete ${name}\`.`,
  });
}
