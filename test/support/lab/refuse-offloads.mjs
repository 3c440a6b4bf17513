/**
 * Loaded before a program of ours (`node --import URL`; its threads load it too): system calls that ask for an offload
 * fail as they do where it is missing, with −1 and an errno, and everything else goes to the kernel. So the kernel in
 * fact gives no more than such a kernel would.
 *
 *     file:///…/refuse-offloads.mjs?refuse=tun-uso,udp-gro
 *
 *     tun-header     TUNSETIFF with IFF_VNET_HDR        EINVAL
 *     tun-checksum   TUNSETOFFLOAD with TUN_F_CSUM      EINVAL
 *     tun-tso        TUNSETOFFLOAD with TUN_F_TSO…      EINVAL
 *     tun-uso        TUNSETOFFLOAD with TUN_F_USO…      EINVAL      Linux before 6.2
 *     udp-gso        getsockopt of UDP_SEGMENT          ENOPROTOOPT Linux before 4.18
 *     udp-gro        setsockopt of UDP_GRO              ENOPROTOOPT Linux before 5.0
 *     udp-gso-send   sendmsg with UDP_SEGMENT           EIO         a device without checksums, Linux before 6.11
 *     udp-lite       nothing: UDP sockets are UDP-Lite ones, to which the kernel itself answers such a sendmsg with EIO
 */
import koffi from "koffi";

const EIO = 5;
const EINVAL = 22;
const ENOPROTOOPT = 92;

// linux/if_tun.h
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFREQ_FLAGS = 16;
const IFF_VNET_HDR = 0x4000;
const CHECKSUM = 0x01;
const TSO = 0x02 | 0x04;
const USO = 0x20 | 0x40;

// linux/udp.h, linux/in.h, linux/socket.h
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const IPPROTO_UDPLITE = 136;
const AF_UNIX = 1;
/** `struct msghdr`: control data and its size; in a `struct cmsghdr` level and type are behind a 64-bit size. */
const CONTROL = 32;
const CONTROL_BYTES = 40;
const CMSG_LEVEL = 8;
const CMSG_TYPE = 12;

const refused = new Set(new URL(import.meta.url).searchParams.get("refuse").split(","));
const refusedTunFlags =
  (refused.has("tun-checksum") ? CHECKSUM : 0) |
  (refused.has("tun-tso") ? TSO : 0) |
  (refused.has("tun-uso") ? USO : 0);

/** By name: the errno with which a call is refused, or 0. */
const refusals = {
  ioctl: (_fd, request, argument) => {
    if (request === TUNSETOFFLOAD) return (argument & refusedTunFlags) !== 0 ? EINVAL : 0;
    if (request !== TUNSETIFF || !refused.has("tun-header")) return 0;
    return (koffi.decode(argument, IFREQ_FLAGS, "uint16_t") & IFF_VNET_HDR) !== 0 ? EINVAL : 0;
  },
  getsockopt: (_fd, level, option) =>
    refused.has("udp-gso") && level === SOL_UDP && option === UDP_SEGMENT ? ENOPROTOOPT : 0,
  setsockopt: (_fd, level, option) =>
    refused.has("udp-gro") && level === SOL_UDP && option === UDP_GRO ? ENOPROTOOPT : 0,
  sendmsg: (_fd, message) => (refused.has("udp-gso-send") && asksForSegments(message) ? EIO : 0),
};

/** Ours puts it first. */
function asksForSegments(message) {
  if (koffi.decode(message, CONTROL_BYTES, "uint32_t") === 0) return false;
  const control = Number(koffi.decode(message, CONTROL, "uint64_t"));
  return (
    koffi.decode(control, CMSG_LEVEL, "int") === SOL_UDP && koffi.decode(control, CMSG_TYPE, "int") === UDP_SEGMENT
  );
}

function refusing(call, refusal) {
  return (...args) => {
    const errno = refusal(...args);
    if (errno === 0) return call(...args);
    koffi.errno(errno);
    return -1;
  };
}

const withUdpLite = (socket) => (family, type, protocol) =>
  socket(family, type, family === AF_UNIX ? protocol : IPPROTO_UDPLITE);

const { load } = koffi;
koffi.load = (...path) => {
  const library = load(...path);
  const func = (declaration) => {
    const call = library.func(declaration);
    const name = /(\w+)\(/.exec(declaration)[1];
    if (name === "socket" && refused.has("udp-lite")) return withUdpLite(call);
    return name in refusals ? refusing(call, refusals[name]) : call;
  };
  return { func };
};
