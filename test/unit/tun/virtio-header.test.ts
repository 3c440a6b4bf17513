import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import {
  clearVirtioHeader,
  readVirtioHeader,
  VIRTIO_HEADER_BYTES,
  VirtioHeader,
  writeVirtioHeader,
} from "../../../src/tun/virtio-header.ts";

describe("virtio header", () => {
  it("has the layout of struct virtio_net_hdr on a little-endian machine", () => {
    const buffer = new PacketBuffer(16);
    const header = Object.assign(new VirtioHeader(), {
      flags: 1,
      gsoType: 4,
      headerBytes: 0x0102,
      gsoBytes: 0x0304,
      checksumStart: 0x0506,
      checksumOffset: 0x0708,
    });
    writeVirtioHeader(buffer, 3, header);
    expect([...buffer.bytes]).toEqual([0, 0, 0, 1, 4, 2, 1, 4, 3, 6, 5, 8, 7, 0, 0, 0]);
  });

  it("reads what it writes, at any offset", () => {
    const u8 = fc.nat(255);
    const u16 = fc.nat(65_535);
    const fields = fc.record({
      flags: u8,
      gsoType: u8,
      headerBytes: u16,
      gsoBytes: u16,
      checksumStart: u16,
      checksumOffset: u16,
    });
    fc.assert(
      fc.property(fields, fc.nat(6), (values, offset) => {
        const buffer = new PacketBuffer(16);
        writeVirtioHeader(buffer, offset, Object.assign(new VirtioHeader(), values));
        const read = new VirtioHeader();
        readVirtioHeader(buffer, offset, read);
        expect({ ...read }).toEqual(values);
      }),
    );
  });

  it("clears its own bytes only", () => {
    const buffer = new PacketBuffer(16);
    buffer.bytes.fill(7);
    clearVirtioHeader(buffer, 2);
    expect([...buffer.bytes]).toEqual([7, 7, ...new Array(VIRTIO_HEADER_BYTES).fill(0), 7, 7, 7, 7]);
  });
});
