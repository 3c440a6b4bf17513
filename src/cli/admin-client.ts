import { z } from "zod";
import {
  type AdminPeer,
  type AdminRelay,
  adminPeerSchema,
  adminRelaySchema,
  type Token,
  type TokenCreated,
  tokenCreatedSchema,
  type tokenCreateSchema,
  tokenSchema,
} from "../api/admin.ts";
import { loadServerConfig } from "../api/server-config.ts";
import { MeshError } from "../base/errors.ts";
import { coordinatorSocketPath, resolveHome } from "../daemon/home.ts";
import { findConfig } from "./config-search.ts";
import type { GlobalOptions } from "./globals.ts";
import { UnixHttp } from "./unix-http.ts";

/** Calls to the coordinator on this host, through its admin socket. */
export class AdminClient {
  readonly #http: UnixHttp;

  private constructor(socketPath: string) {
    this.#http = new UnixHttp(
      socketPath,
      () => new MeshError("no-coordinator", "no coordinator is running on this host"),
    );
  }

  /** Home and socket may also stand in the coordinator's configuration file. */
  static async open(options: GlobalOptions): Promise<AdminClient> {
    const file = findConfig("server", undefined);
    const config = options.home === undefined && file !== undefined ? await loadServerConfig(file) : undefined;
    const home = resolveHome(options.home ?? config?.home);
    return new AdminClient(config?.adminSocketPath ?? coordinatorSocketPath(home));
  }

  createToken(request: z.input<typeof tokenCreateSchema>): Promise<TokenCreated> {
    return this.#http.call({ method: "POST", path: "/v1/admin/tokens", body: request }, tokenCreatedSchema);
  }

  listTokens(): Promise<Token[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/tokens" }, z.array(tokenSchema));
  }

  revokeToken(id: string): Promise<Token> {
    return this.#http.call({ method: "DELETE", path: `/v1/admin/tokens/${encodeURIComponent(id)}` }, tokenSchema);
  }

  listRelays(): Promise<AdminRelay[]> {
    return this.#http.call({ method: "GET", path: "/v1/admin/relays" }, z.array(adminRelaySchema));
  }

  removeRelay(name: string): Promise<AdminRelay> {
    return this.#http.call(
      { method: "DELETE", path: `/v1/admin/relays/${encodeURIComponent(name)}` },
      adminRelaySchema,
    );
  }

  overrideEndpoint(name: string, endpoint: string | null): Promise<AdminPeer> {
    const path = `/v1/admin/peers/${encodeURIComponent(name)}/override-endpoint`;
    return this.#http.call({ method: "POST", path, body: { endpoint } }, adminPeerSchema);
  }
}
