import {
  AF_INET,
  AF_INET6,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  SOL_UDP,
  UDP_SEGMENT,
} from "../host/ffi/constants.ts";
import { interfaceIndex, interfaceName } from "../host/ffi/interface-index.ts";
import { CMSG_DATA, cmsgSpace, writeCmsgHeader } from "../host/ffi/msghdr.ts";
import { NativeMemory } from "../host/ffi/native-memory.ts";
import { formatAddress, parseAddress } from "../packet/address.ts";
import { type Endpoint, isPipe } from "../packet/endpoint.ts";

/**
 * Where datagrams go to or came from, in the form that sendmsg(2) takes, so that a send builds nothing: the peer's
 * `sockaddr`, and ready ancillary data with the segment size and with the local address that the peer knows us by.
 *
 *     | sockaddr_in or sockaddr_in6 | pad | cmsg UDP_SEGMENT (u16) | cmsg IP_PKTINFO or IPV6_PKTINFO |
 *       0                             28    32                       56                               96
 *
 *     sockaddr_in   family u16 | port be16 | address 4                     (netinet/in.h)
 *     sockaddr_in6  family u16 | port be16 | flow u32 | address 16 | scope u32
 *     in_pktinfo    interface i32 | local address 4 | header destination 4      (linux/in.h)
 *     in6_pktinfo   local address 16 | interface i32                            (linux/ipv6.h)
 *
 * A pipe stands in it like an address of a family of its own, which no system call is ever given:
 *
 *     pipe          family u16 | 0 | number u32
 */
const AF_PIPE = 0xff01;
const PIPE_NUMBER = 4;

const SIZE_BYTES = 96;
const SEGMENT_CMSG = 32;
const SOURCE_CMSG = SEGMENT_CMSG + cmsgSpace(2);
const SOURCE_DATA = SOURCE_CMSG + CMSG_DATA;
const IN_PKTINFO_BYTES = 12;
const IN6_PKTINFO_BYTES = 20;

export const MAX_SOCKADDR_BYTES = 28;

export class EndpointRecord {
  readonly #memory = new NativeMemory(SIZE_BYTES);
  readonly #view = this.#memory.view;
  /** Address of the `sockaddr`. */
  readonly sockaddrAddress = this.#memory.address;
  /** `AF_INET`, `AF_INET6`, that of pipes, or 0 when the record is empty. */
  family = 0;
  /** Bytes of the source's ancillary data; 0 when no local address is known and the kernel is to choose. */
  sourceControlBytes = 0;

  constructor() {
    writeCmsgHeader(this.#view, SEGMENT_CMSG, SOL_UDP, UDP_SEGMENT, 2);
  }

  get isSet(): boolean {
    return this.family !== 0;
  }

  get isPipe(): boolean {
    return this.family === AF_PIPE;
  }

  /** The pipe's number; meaningless unless `isPipe`. */
  get pipe(): number {
    return this.#view.getUint32(PIPE_NUMBER, true);
  }

  setPipe(pipe: number): void {
    this.family = AF_PIPE;
    this.sourceControlBytes = 0;
    this.#view.setUint32(0, AF_PIPE, true);
    this.#view.setUint32(PIPE_NUMBER, pipe, true);
  }

  get sockaddrBytes(): number {
    return this.family === AF_INET ? 16 : MAX_SOCKADDR_BYTES;
  }

  /** Ancillary data of a send of one datagram: the source alone. */
  get sourceControlAddress(): number {
    return this.#memory.address + SOURCE_CMSG;
  }

  /** Ancillary data of a send in segments: `SEGMENT_CONTROL_BYTES`, and the source right behind. */
  get segmentControlAddress(): number {
    return this.#memory.address + SEGMENT_CMSG;
  }

  get segmentControlBytes(): number {
    return SOURCE_CMSG - SEGMENT_CMSG + this.sourceControlBytes;
  }

  setSegmentBytes(segmentBytes: number): void {
    this.#view.setUint16(SEGMENT_CMSG + CMSG_DATA, segmentBytes, true);
  }

  clear(): void {
    this.family = 0;
    this.sourceControlBytes = 0;
    this.#memory.bytes.fill(0, 0, MAX_SOCKADDR_BYTES);
  }

  /** Takes `endpoint`; without a local address in it, forgets the former one. @throws MeshError `bad-address` */
  set(endpoint: Endpoint): void {
    if (isPipe(endpoint)) {
      this.setPipe(endpoint.pipe);
      return;
    }
    const zoneAt = endpoint.address.indexOf("%");
    const text = zoneAt < 0 ? endpoint.address : endpoint.address.slice(0, zoneAt);
    const address = parseAddress(text);
    this.clear();
    this.family = address.length === 4 ? AF_INET : AF_INET6;
    this.#view.setUint16(0, this.family, true);
    this.#view.setUint16(2, endpoint.port);
    this.#memory.bytes.set(address, this.family === AF_INET ? 4 : 8);
    if (zoneAt >= 0) this.#view.setUint32(24, interfaceIndex(endpoint.address.slice(zoneAt + 1)), true);
    if (endpoint.localAddress !== undefined) this.#setSource(parseAddress(endpoint.localAddress));
  }

  toEndpoint(): Endpoint | null {
    if (this.family === 0) return null;
    if (this.isPipe) return { pipe: this.pipe };
    const isV4 = this.family === AF_INET;
    const text = formatAddress(this.#memory.bytes.subarray(isV4 ? 4 : 8, isV4 ? 8 : 24));
    const scope = isV4 ? 0 : this.#view.getUint32(24, true);
    return { address: scope === 0 ? text : `${text}%${interfaceName(scope)}`, port: this.#view.getUint16(2) };
  }

  /** As `toEndpoint`, with the local address: whoever answers does so from where it was spoken to. */
  toReplyEndpoint(): Endpoint | null {
    const endpoint = this.toEndpoint();
    if (endpoint === null || isPipe(endpoint) || this.sourceControlBytes === 0) return endpoint;
    const [start, end] = this.family === AF_INET ? [SOURCE_DATA + 4, SOURCE_DATA + 8] : [SOURCE_DATA, SOURCE_DATA + 16];
    return { ...endpoint, localAddress: formatAddress(this.#memory.bytes.subarray(start, end)) };
  }

  /** 0 for a pipe, or when nothing is set. */
  get port(): number {
    return this.isPipe ? 0 : this.#view.getUint16(2);
  }

  /** Takes the IPv6 or v4-mapped address (RFC 4291 §2.5.5.2) at `offset` of `view`, and this port. */
  readMapped(view: DataView, offset: number, port: number): void {
    this.clear();
    const isV4 =
      view.getUint32(offset) === 0 && view.getUint32(offset + 4) === 0 && view.getUint32(offset + 8) === 0xffff;
    this.family = isV4 ? AF_INET : AF_INET6;
    this.#view.setUint16(0, this.family, true);
    this.#view.setUint16(2, port);
    if (isV4) this.#view.setUint32(4, view.getUint32(offset + 12));
    else for (let i = 0; i < 16; i += 4) this.#view.setUint32(8 + i, view.getUint32(offset + i));
  }

  /** Writes the address as 16 bytes that `readMapped` reads; zeros for a pipe, or when nothing is set. */
  writeMapped(view: DataView, offset: number): void {
    const isV6 = this.family === AF_INET6;
    for (let i = 0; i < 16; i += 4) view.setUint32(offset + i, isV6 ? this.#view.getUint32(8 + i) : 0);
    if (this.family !== AF_INET) return;
    view.setUint32(offset + 8, 0xffff);
    view.setUint32(offset + 12, this.#view.getUint32(4));
  }

  /** Reads the family that recvmsg wrote to the `sockaddr`; the source is then set by `setSourceV4` or `setSourceV6`. */
  adoptReceived(): void {
    this.family = this.#view.getUint16(0, true);
    this.sourceControlBytes = 0;
    if (this.family === AF_INET6) this.#view.setUint32(4, 0, true);
  }

  /** `offset`: an `in_pktinfo` in `control`. The interface is left to the routing table, which may change. */
  setSourceV4(control: DataView, offset: number): void {
    writeCmsgHeader(this.#view, SOURCE_CMSG, IPPROTO_IP, IP_PKTINFO, IN_PKTINFO_BYTES);
    this.#view.setUint32(SOURCE_DATA, 0, true);
    this.#view.setUint32(SOURCE_DATA + 4, control.getUint32(offset + 4, true), true);
    this.#view.setUint32(SOURCE_DATA + 8, 0, true);
    this.sourceControlBytes = cmsgSpace(IN_PKTINFO_BYTES);
  }

  /** `offset`: an `in6_pktinfo` in `control`. A link-local source needs its interface, others leave it to routing. */
  setSourceV6(control: DataView, offset: number): void {
    writeCmsgHeader(this.#view, SOURCE_CMSG, IPPROTO_IPV6, IPV6_PKTINFO, IN6_PKTINFO_BYTES);
    for (let i = 0; i < 16; i += 4) this.#view.setUint32(SOURCE_DATA + i, control.getUint32(offset + i, true), true);
    const isLinkLocal = (control.getUint16(offset) & 0xffc0) === 0xfe80;
    this.#view.setUint32(SOURCE_DATA + 16, isLinkLocal ? control.getUint32(offset + 16, true) : 0, true);
    this.sourceControlBytes = cmsgSpace(IN6_PKTINFO_BYTES);
  }

  /** A link-local source needs the interface, which is that of the remote address. */
  #setSource(address: Uint8Array): void {
    if ((address.length === 4) !== (this.family === AF_INET)) return;
    const control = new DataView(new ArrayBuffer(IN6_PKTINFO_BYTES));
    new Uint8Array(control.buffer).set(address, this.family === AF_INET ? 4 : 0);
    if (this.family === AF_INET) {
      this.setSourceV4(control, 0);
    } else {
      control.setUint32(16, this.#view.getUint32(24, true), true);
      this.setSourceV6(control, 0);
    }
  }

  /** Lets the kernel choose the local address again: the former one is gone, or does not fit the route any more. */
  clearSource(): void {
    this.sourceControlBytes = 0;
  }

  /** Whether both name the same remote address and port. */
  isSameRemote(other: EndpointRecord): boolean {
    if (this.family !== other.family) return false;
    const a = this.#view;
    const b = other.#view;
    if (a.getUint32(0, true) !== b.getUint32(0, true)) return false;
    if (this.family !== AF_INET6) return a.getUint32(4, true) === b.getUint32(4, true);
    for (let i = 8; i < MAX_SOCKADDR_BYTES; i += 4) if (a.getUint32(i, true) !== b.getUint32(i, true)) return false;
    return true;
  }

  /** Whether a packet with this destination, as it stands at `offset` of `view`, goes to the remote address and port. */
  isRemote(view: DataView, offset: number, addressBytes: number, port: number): boolean {
    if (this.isPipe) return false;
    const isV4 = this.family === AF_INET;
    if (addressBytes !== (isV4 ? 4 : 16) || this.#view.getUint16(2) !== port) return false;
    const start = isV4 ? 4 : 8;
    for (let i = 0; i < addressBytes; i += 4)
      if (this.#view.getUint32(start + i, true) !== view.getUint32(offset + i, true)) return false;
    return true;
  }

  /** Whether both name the same local address. */
  isSameSource(other: EndpointRecord): boolean {
    if (this.sourceControlBytes !== other.sourceControlBytes) return false;
    const end = SOURCE_CMSG + this.sourceControlBytes;
    for (let i = SOURCE_DATA; i < end; i += 4)
      if (this.#view.getUint32(i, true) !== other.#view.getUint32(i, true)) return false;
    return true;
  }

  copyFrom(other: EndpointRecord): void {
    for (let i = 0; i < SIZE_BYTES; i += 4) this.#view.setUint32(i, other.#view.getUint32(i, true), true);
    this.family = other.family;
    this.sourceControlBytes = other.sourceControlBytes;
  }
}
