import { formatAddress } from "../../packet/address.ts";

/**
 * The few messages of rtnetlink(7) that tell of another network: links, addresses and routes that come, change and go.
 * Numbers are those of linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
 *
 *     nlmsghdr   | length u32 | type u16 | flags u16 | sequence u32 | port u32 |
 *     ifinfomsg  | family u8 | pad | type u16 | index i32 | flags u32 | change u32 |
 *     ifaddrmsg  | family u8 | prefix length u8 | flags u8 | scope u8 | index u32 |
 *     rtmsg      | family u8 | dst length u8 | src length u8 | tos u8 | table u8 | protocol u8 | scope u8 | type u8 | flags u32 |
 *     rtattr     | length u16 | type u16 | value … |        all of it at multiples of four bytes
 */
export interface NetworkFact {
  readonly subject: "link" | "address" | "route";
  /** Which one: the same in every message about it. */
  readonly identity: string;
  /** What matters of it, as one text; null while it is of no use, or is gone. */
  readonly state: string | null;
  readonly isRemoval: boolean;
  /** 0 for a route that leads nowhere. */
  readonly interfaceIndex: number;
}

const NLMSG_OVERRUN = 4;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;

const HEADER_BYTES = 16;
const LINK_BYTES = 16;
const ADDRESS_BYTES = 8;
const ROUTE_BYTES = 12;
const ATTRIBUTE_BYTES = 4;
const WORD_BYTES = 4;
/** Flags in the type of an attribute. */
const NLA_TYPE_MASK = 0x3fff;

const AF_UNSPEC = 0;
const IFF_USABLE = 0x1 | 0x40 | 0x10000; // IFF_UP, IFF_RUNNING, IFF_LOWER_UP
const IFLA_MTU = 4;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_DADFAILED = 0x08;
const IFA_F_DEPRECATED = 0x20;
const IFA_F_TENTATIVE = 0x40;
const RTN_UNICAST = 1;
/** The first type after those that follow from an address: local, broadcast, anycast, multicast. */
const RTN_BLACKHOLE = 6;
/** A route that the kernel learned for one destination. */
const RTM_F_CLONED = 0x200;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
/** Where `struct rtnexthop` has the interface. */
const NEXT_HOP_INDEX_OFFSET = 4;

type Attributes = ReadonlyMap<number, Buffer>;

/** What a datagram from the kernel says, or undefined when it says that messages were lost. Never throws. */
export function parseRouteMessages(datagram: Buffer): NetworkFact[] | undefined {
  const facts: NetworkFact[] = [];
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = u32(datagram, at);
    if (length < HEADER_BYTES || at + length > datagram.length) break;
    const type = u16(datagram, at + 4);
    if (type === NLMSG_OVERRUN) return undefined;
    const fact = factOf(type, datagram.subarray(at + HEADER_BYTES, at + length));
    if (fact !== undefined) facts.push(fact);
    at += aligned(length);
  }
  return facts;
}

function factOf(type: number, body: Buffer): NetworkFact | undefined {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return body.length < LINK_BYTES ? undefined : linkFact(body, type === RTM_DELLINK);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return body.length < ADDRESS_BYTES ? undefined : addressFact(body, type === RTM_DELADDR);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return body.length < ROUTE_BYTES ? undefined : routeFact(body, type === RTM_DELROUTE);
    default:
      return undefined;
  }
}

function linkFact(body: Buffer, isRemoval: boolean): NetworkFact | undefined {
  // A bridge tells of its ports in the same words: one that leaves it is not deleted.
  if (body[0] !== AF_UNSPEC) return undefined;
  const interfaceIndex = u32(body, 4);
  const isUsable = (u32(body, 8) & IFF_USABLE) === IFF_USABLE;
  const mtu = attributesOf(body, LINK_BYTES).get(IFLA_MTU);
  const state = isRemoval || !isUsable ? null : `up, MTU ${mtu === undefined ? "unknown" : u32(mtu, 0)}`;
  return { subject: "link", identity: String(interfaceIndex), state, isRemoval, interfaceIndex };
}

function addressFact(body: Buffer, isRemoval: boolean): NetworkFact | undefined {
  const attributes = attributesOf(body, ADDRESS_BYTES);
  // With a peer's address at the other end, IFA_ADDRESS is that one.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  if (bytes === undefined) return undefined;
  const interfaceIndex = u32(body, 4);
  const wideFlags = attributes.get(IFA_FLAGS);
  const flags = wideFlags === undefined ? body[2]! : u32(wideFlags, 0);
  const isUsable = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0;
  const state = isRemoval || !isUsable ? null : (flags & IFA_F_DEPRECATED) === 0 ? "usable" : "deprecated";
  const identity = `${addressText(bytes)}/${body[1]} ${interfaceIndex}`;
  return { subject: "address", identity, state, isRemoval, interfaceIndex };
}

function routeFact(body: Buffer, isRemoval: boolean): NetworkFact | undefined {
  const type = body[7]!;
  const isFollowing = type !== RTN_UNICAST && type < RTN_BLACKHOLE;
  if (isFollowing || (u32(body, 8) & RTM_F_CLONED) !== 0) return undefined;
  const attributes = attributesOf(body, ROUTE_BYTES);
  const number = (attribute: number) => {
    const value = attributes.get(attribute);
    return value === undefined ? undefined : u32(value, 0);
  };
  const hops = attributes.get(RTA_MULTIPATH);
  const firstHop =
    hops !== undefined && hops.length >= NEXT_HOP_INDEX_OFFSET + WORD_BYTES ? u32(hops, NEXT_HOP_INDEX_OFFSET) : 0;
  const [family, prefixLength, , tos] = body;
  const table = number(RTA_TABLE) ?? body[4];
  const destination = prefixLength === 0 ? "default" : `${addressText(attributes.get(RTA_DST))}/${prefixLength}`;
  const words = [RTA_OIF, RTA_GATEWAY, RTA_VIA, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH];
  return {
    subject: "route",
    identity: `${destination} ${family} ${table} ${tos} ${number(RTA_PRIORITY) ?? 0}`,
    state: isRemoval ? null : [type, ...words.map((word) => attributes.get(word)?.toString("hex") ?? "")].join(),
    isRemoval,
    interfaceIndex: number(RTA_OIF) ?? firstHop,
  };
}

/** Those of a word at least: what is shorter tells nothing here. */
function attributesOf(body: Buffer, offset: number): Attributes {
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at + ATTRIBUTE_BYTES <= body.length; ) {
    const length = u16(body, at);
    if (length < ATTRIBUTE_BYTES || at + length > body.length) break;
    const value = body.subarray(at + ATTRIBUTE_BYTES, at + length);
    if (value.length >= WORD_BYTES) attributes.set(u16(body, at + 2) & NLA_TYPE_MASK, value);
    at += aligned(length);
  }
  return attributes;
}

function addressText(bytes: Buffer | undefined): string {
  if (bytes === undefined) return "unknown";
  return bytes.length === 4 || bytes.length === 16 ? formatAddress(bytes) : bytes.toString("hex");
}

const u16 = (bytes: Buffer, at: number) => bytes.readUInt16LE(at);
const u32 = (bytes: Buffer, at: number) => bytes.readUInt32LE(at);
const aligned = (length: number) => (length + WORD_BYTES - 1) & ~(WORD_BYTES - 1);
