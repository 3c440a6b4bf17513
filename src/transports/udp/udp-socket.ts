import { BufferAddresses } from "../../host/ffi/buffer-address.ts";
import * as abi from "../../host/ffi/constants.ts";
import {
  EADDRNOTAVAIL,
  EAGAIN,
  EHOSTUNREACH,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  lastErrno,
} from "../../host/ffi/errno.ts";
import * as libc from "../../host/ffi/libc.ts";
import { CMSG_DATA, MessageHeader } from "../../host/ffi/msghdr.ts";
import { NativeMemory } from "../../host/ffi/native-memory.ts";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import { MAX_RECEIVE_BYTES, type ReceivedRun, SendOutcome, type TransportStats } from "../datagram-transport.ts";
import { type EndpointRecord, MAX_SOCKADDR_BYTES } from "../endpoint-record.ts";
import { setFragmentation } from "./fragmentation.ts";
import type { OpenSocket } from "./open-socket.ts";

/** UDP_GRO (4 bytes) and in6_pktinfo (20 bytes) with their headers, and room to spare. */
const RECEIVE_CONTROL_BYTES = 128;

/** One UDP socket of one family: rows of datagrams in and out with one system call each. */
export class UdpSocket {
  readonly fd: number;
  readonly #family: number;
  #sendsWhole = false;
  /** Off when the kernel lacks it, or has refused it since (`EIO`). */
  #segmentation: boolean;
  readonly #stats: TransportStats;
  readonly #onSegmentationLost: () => void;
  readonly #addresses = new BufferAddresses();
  readonly #tx = new MessageHeader();
  readonly #rx = new MessageHeader();
  readonly #rxControl = new NativeMemory(RECEIVE_CONTROL_BYTES);

  constructor(socket: OpenSocket, stats: TransportStats, onSegmentationLost: () => void) {
    this.fd = socket.fd;
    this.#family = socket.family;
    this.#segmentation = socket.segmentation;
    this.#stats = stats;
    this.#onSegmentationLost = onSegmentationLost;
  }

  receive(into: ReceivedRun): boolean {
    const { source } = into;
    this.#rx.setName(source.sockaddrAddress, MAX_SOCKADDR_BYTES);
    this.#rx.setData(this.#addresses.of(into.buffer) + into.offset, MAX_RECEIVE_BYTES);
    for (;;) {
      this.#rx.nameBytes = MAX_SOCKADDR_BYTES;
      this.#rx.setControl(this.#rxControl.address, RECEIVE_CONTROL_BYTES);
      const received = libc.recvmsg(this.fd, this.#rx.address, 0);
      if (received < 0) {
        const errno = lastErrno();
        if (errno === EINTR) continue;
        // Anything but EAGAIN is the network's report on something sent earlier; the next call goes on.
        if (errno === EAGAIN) return false;
        this.#stats.receiveFailures++;
        return false;
      }
      this.#stats.receivedCalls++;
      if ((this.#rx.flags & abi.MSG_TRUNC) !== 0 || received === 0) {
        this.#stats.receiveFailures++;
        continue;
      }
      source.adoptReceived();
      into.totalBytes = received;
      into.strideBytes = received;
      this.#readControl(into);
      this.#stats.receivedBytes += received;
      this.#stats.receivedDatagrams += Math.ceil(received / into.strideBytes);
      return true;
    }
  }

  send(
    buffer: PacketBuffer,
    offset: number,
    totalBytes: number,
    segmentBytes: number,
    destination: EndpointRecord,
    isWhole: boolean,
  ): SendOutcome {
    const address = this.#addresses.of(buffer) + offset;
    if (isWhole !== this.#sendsWhole) this.#sendWhole(isWhole);
    if (totalBytes <= segmentBytes) return this.#sendOne(address, totalBytes, destination);
    if (!this.#segmentation) return this.#sendEach(address, totalBytes, segmentBytes, destination);
    destination.setSegmentBytes(segmentBytes);
    this.#tx.setName(destination.sockaddrAddress, destination.sockaddrBytes);
    this.#tx.setData(address, totalBytes);
    this.#tx.setControl(destination.segmentControlAddress, destination.segmentControlBytes);
    let errno = this.#transmit();
    if (errno !== 0 && forgetSource(errno, destination)) {
      this.#tx.setControl(destination.segmentControlAddress, destination.segmentControlBytes);
      errno = this.#transmit();
    }
    const datagrams = Math.ceil(totalBytes / segmentBytes);
    if (errno === 0) {
      this.#stats.sentDatagrams += datagrams;
      this.#stats.sentBytes += totalBytes;
      return SendOutcome.sent;
    }
    // EIO: the device computes no checksums (Linux before 6.11) or IPsec wraps what is sent, and neither will change
    // soon. The other two: a segment exceeds the path's MTU, which one datagram may survive (in fragments) and a row
    // may not.
    if (errno === EIO) this.#loseSegmentation();
    if (errno === EIO || errno === EINVAL || errno === EMSGSIZE)
      return this.#sendEach(address, totalBytes, segmentBytes, destination);
    this.#stats.sendFailures += datagrams;
    return outcomeOf(errno);
  }

  #sendWhole(isWhole: boolean): void {
    setFragmentation(this.fd, this.#family, !isWhole);
    this.#sendsWhole = isWhole;
  }

  #loseSegmentation(): void {
    this.#segmentation = false;
    this.#onSegmentationLost();
  }

  #sendEach(address: number, totalBytes: number, segmentBytes: number, destination: EndpointRecord): SendOutcome {
    let worst: SendOutcome = SendOutcome.sent;
    for (let at = 0; at < totalBytes; at += segmentBytes) {
      const outcome = this.#sendOne(address + at, Math.min(segmentBytes, totalBytes - at), destination);
      if (outcome !== SendOutcome.sent) worst = outcome;
    }
    return worst;
  }

  #sendOne(address: number, sizeBytes: number, destination: EndpointRecord): SendOutcome {
    this.#tx.setName(destination.sockaddrAddress, destination.sockaddrBytes);
    this.#tx.setData(address, sizeBytes);
    this.#tx.setControl(destination.sourceControlAddress, destination.sourceControlBytes);
    let errno = this.#transmit();
    if (errno !== 0 && forgetSource(errno, destination)) {
      this.#tx.setControl(destination.sourceControlAddress, 0);
      errno = this.#transmit();
    }
    if (errno === 0) {
      this.#stats.sentDatagrams++;
      this.#stats.sentBytes += sizeBytes;
      return SendOutcome.sent;
    }
    this.#stats.sendFailures++;
    return outcomeOf(errno);
  }

  /** One sendmsg; returns its `errno`, 0 for none. */
  #transmit(): number {
    for (;;) {
      this.#stats.sentCalls++;
      if (libc.sendmsg(this.fd, this.#tx.address, 0) >= 0) return 0;
      const errno = lastErrno();
      if (errno !== EINTR) return errno;
    }
  }

  #readControl(into: ReceivedRun): void {
    const { view } = this.#rxControl;
    const end = this.#rx.controlBytes;
    for (let at = 0; at + CMSG_DATA <= end; ) {
      const length = view.getUint32(at, true);
      if (length < CMSG_DATA) return;
      const level = view.getInt32(at + 8, true);
      const type = view.getInt32(at + 12, true);
      if (level === abi.SOL_UDP && type === abi.UDP_GRO) {
        const stride = view.getInt32(at + CMSG_DATA, true);
        if (stride > 0) into.strideBytes = stride;
      } else if (level === abi.IPPROTO_IP && type === abi.IP_PKTINFO) into.source.setSourceV4(view, at + CMSG_DATA);
      else if (level === abi.IPPROTO_IPV6 && type === abi.IPV6_PKTINFO) into.source.setSourceV6(view, at + CMSG_DATA);
      at += (length + 7) & ~7;
    }
  }
}

/**
 * The local address that the peer knows us by may be gone since, or no route leads from it any more; kernels disagree
 * on how to say so. True when there was one to forget: worth another try.
 */
function forgetSource(errno: number, destination: EndpointRecord): boolean {
  if (destination.sourceControlBytes === 0) return false;
  const mayBeTheSource = errno === EINVAL || errno === EADDRNOTAVAIL || errno === ENETUNREACH || errno === EHOSTUNREACH;
  if (!mayBeTheSource) return false;
  destination.clearSource();
  return true;
}

function outcomeOf(errno: number): SendOutcome {
  if (errno === EAGAIN || errno === ENOBUFS) return SendOutcome.congested;
  return errno === EMSGSIZE ? SendOutcome.tooBig : SendOutcome.unreachable;
}
