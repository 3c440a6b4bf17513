import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP forwarder on loopback that can stop carrying anything without closing anything: a line cut without a word. */
export class PausableLine implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target = 0;
  #isPaused = false;
  /** Bytes that came from the target. */
  returnedBytes = 0;

  private constructor() {
    this.#server = createServer({ noDelay: true }, (near) => this.#carry(near));
  }

  static async open(): Promise<PausableLine> {
    const line = new PausableLine();
    await new Promise<void>((done) => line.#server.listen(0, "127.0.0.1", done));
    return line;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** The port on loopback that connections lead to from now on. */
  leadTo(port: number): void {
    this.#target = port;
  }

  pause(): void {
    this.#isPaused = true;
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }

  #carry(near: Socket): void {
    const far = this.#target === 0 ? undefined : connect({ host: "127.0.0.1", port: this.#target, noDelay: true });
    this.#add(near, far);
    if (far !== undefined) this.#add(far, near);
    far?.on("data", (chunk: Buffer) => {
      this.returnedBytes += chunk.length;
    });
  }

  #add(socket: Socket, other: Socket | undefined): void {
    this.#sockets.add(socket);
    if (this.#isPaused) socket.pause();
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      if (other !== undefined && !other.write(chunk)) {
        socket.pause();
        other.once("drain", () => {
          if (!this.#isPaused) socket.resume();
        });
      }
    });
    if (this.#isPaused) socket.pause();
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (!this.#isPaused) other?.destroy();
    });
  }
}
