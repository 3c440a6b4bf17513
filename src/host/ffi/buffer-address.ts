import koffi from "koffi";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";

/**
 * Finds the address of a packet buffer. The memory of a `PacketBuffer` is an explicit `ArrayBuffer` and stays in its
 * place (see `NativeMemory`), so each is asked for once; the packet path mostly comes with the one it came with before.
 */
export class BufferAddresses {
  readonly #known = new WeakMap<PacketBuffer, number>();
  #lastBuffer: PacketBuffer | undefined;
  #lastAddress = 0;

  of(buffer: PacketBuffer): number {
    if (buffer === this.#lastBuffer) return this.#lastAddress;
    let address = this.#known.get(buffer);
    if (address === undefined) {
      address = Number(koffi.address(buffer.bytes));
      this.#known.set(buffer, address);
    }
    this.#lastBuffer = buffer;
    this.#lastAddress = address;
    return address;
  }
}
