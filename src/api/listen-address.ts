import { MeshError } from "../base/errors.ts";
import { listenSchema } from "./listening-config.ts";

/** Where a server of ours listens. */
export interface ListenAddress {
  /** Empty: every address of both families. */
  readonly host: string;
  readonly port: number;
}

/** @throws MeshError `bad-config` */
export function parseListenAddress(text: string): ListenAddress {
  const parsed = listenSchema.safeParse(text);
  if (!parsed.success) {
    throw new MeshError("bad-config", `cannot listen on ${JSON.stringify(text.slice(0, 100))}`, {
      hint: "Give :PORT, ADDRESS:PORT or [V6]:PORT.",
    });
  }
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
