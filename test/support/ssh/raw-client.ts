import { Client, type ClientChannel, type ConnectConfig } from "ssh2";
import { openSshPrivateKey } from "../../../src/transports/ssh/machine-key.ts";
import { SUBSYSTEM } from "../../../src/transports/ssh/options.ts";

/** A client of ssh2 itself, to do to our server what our own never would. Resolves when it is logged in. */
export async function rawClient(
  port: number,
  login: { readonly seed?: Uint8Array } & Omit<ConnectConfig, "host" | "port">,
): Promise<Client & AsyncDisposable> {
  const { seed, ...config } = login;
  const client = Object.assign(new Client(), {
    [Symbol.asyncDispose]: async () => void client.destroy(),
  });
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    client.on("error", reject);
    client.once("close", () => reject(new Error("the server closed the connection")));
    client.connect({
      host: "127.0.0.1",
      port,
      username: "anybody",
      ...(seed && { privateKey: openSshPrivateKey(seed) }),
      ...config,
    });
  });
  return client;
}

export function subsystem(client: Client, name = SUBSYSTEM): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.subsys(name, (failure, channel) => (failure === undefined ? resolve(channel) : reject(failure)));
  });
}

/** `u16 length · datagram`. */
export function frame(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** Waits for the connection to close, from whichever end. */
export function closed(client: Client): Promise<void> {
  return new Promise((resolve) => client.once("close", resolve));
}
