import { parseAddress } from "../../src/packet/address.ts";

// Messages of rtnetlink(7) as the kernel writes them, byte for byte, for what reads them.

const RUNNING = 0x1 | 0x40 | 0x10000;

type Attribute = readonly [type: number, value: Uint8Array];

export const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

function attribute([type, value]: Attribute): Buffer {
  const padded = Buffer.alloc(4 + ((value.length + 3) & ~3));
  padded.writeUInt16LE(4 + value.length, 0);
  padded.writeUInt16LE(type, 2);
  padded.set(value, 4);
  return padded;
}

export function message(type: number, body: Uint8Array, ...attributes: readonly Attribute[]): Buffer {
  const header = Buffer.alloc(16);
  const whole = Buffer.concat([header, body, ...attributes.map(attribute)]);
  whole.writeUInt32LE(whole.length, 0);
  whole.writeUInt16LE(type, 4);
  return whole;
}

interface Link {
  readonly index: number;
  readonly flags?: number;
  readonly mtu?: number;
  readonly family?: number;
  readonly isRemoval?: boolean;
}

export function linkMessage({ index, flags = RUNNING, mtu = 1500, family = 0, isRemoval = false }: Link): Buffer {
  const body = Buffer.alloc(16);
  body[0] = family;
  body.writeUInt32LE(index, 4);
  body.writeUInt32LE(flags, 8);
  return message(isRemoval ? 17 : 16, body, [3, Buffer.from("eth0\0")], [4, u32(mtu)]);
}

interface Address {
  /** `ADDRESS/LENGTH`. */
  readonly address: string;
  readonly index: number;
  /** IFA_F_…, as the wide attribute has them. */
  readonly flags?: number;
  readonly isRemoval?: boolean;
}

export function addressMessage({ address, index, flags = 0x80, isRemoval = false }: Address): Buffer {
  const [text, length] = address.split("/") as [string, string];
  const bytes = parseAddress(text);
  const body = Buffer.alloc(8);
  body.set([bytes.length === 4 ? 2 : 10, Number(length), flags & 0xff, 0]);
  body.writeUInt32LE(index, 4);
  const attributes: Attribute[] = [
    [1, bytes],
    [8, u32(flags)],
  ];
  // Only IPv4 addresses come with IFA_LOCAL.
  if (bytes.length === 4) attributes.push([2, bytes]);
  return message(isRemoval ? 21 : 20, body, ...attributes);
}

interface Route {
  /** `ADDRESS/LENGTH`; absent for the default route. */
  readonly destination?: string;
  readonly gateway?: string;
  readonly index?: number;
  readonly metric?: number;
  /** RTN_…: 1 unicast, 2 local. */
  readonly type?: number;
  readonly flags?: number;
  readonly isRemoval?: boolean;
  readonly more?: readonly Attribute[];
}

export function routeMessage(route: Route): Buffer {
  const { destination, gateway, index, metric, type = 1, flags = 0, isRemoval = false, more = [] } = route;
  const [text, length] = destination?.split("/") ?? [undefined, "0"];
  const body = Buffer.alloc(12);
  const isIpv6 = (text ?? gateway ?? "").includes(":");
  body.set([isIpv6 ? 10 : 2, Number(length), 0, 0, 254, 3, 0, type]);
  body.writeUInt32LE(flags, 8);
  const attributes: Attribute[] = [[15, u32(254)]];
  if (text !== undefined) attributes.push([1, parseAddress(text)]);
  if (gateway !== undefined) attributes.push([5, parseAddress(gateway)]);
  if (index !== undefined) attributes.push([4, u32(index)]);
  if (metric !== undefined) attributes.push([6, u32(metric)]);
  return message(isRemoval ? 25 : 24, body, ...attributes, ...more);
}
