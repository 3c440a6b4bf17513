import { Duplex } from "node:stream";

/**
 * One end of a connection in memory that holds as good as nothing, where the kernel's sockets on loopback hold megabytes: what
 * the other end does not read stays with the writer.
 */
export class MemorySocket extends Duplex {
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort = 1024;
  bytesRead = 0;
  bytesWritten = 0;
  #other: MemorySocket | undefined;
  #onRead: (() => void) | undefined;

  static pair(): [MemorySocket, MemorySocket] {
    const [a, b] = [new MemorySocket(), new MemorySocket()];
    a.#other = b;
    b.#other = a;
    return [a, b];
  }

  override _read(): void {
    this.#onRead?.();
    this.#onRead = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const other = this.#other;
    this.bytesWritten += chunk.length;
    if (other === undefined || other.destroyed) {
      done();
      return;
    }
    other.bytesRead += chunk.length;
    if (other.push(chunk)) setImmediate(done);
    else other.#onRead = done;
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "binary", done);
  }

  override _final(done: () => void): void {
    this.#other?.push(null);
    done();
  }

  override _destroy(failure: Error | null, done: (failure: Error | null) => void): void {
    if (this.#other?.destroyed === false) this.#other.destroy();
    done(failure);
  }
}
