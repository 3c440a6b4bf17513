/** Loaded before a program of ours (`node --import`): this host has no netlink, as in some sandboxes. */
import koffi from "koffi";

const AF_NETLINK = 16;
const EAFNOSUPPORT = 97;

const { load } = koffi;
koffi.load = (...path) => {
  const library = load(...path);
  const func = (declaration) => {
    const call = library.func(declaration);
    if (!declaration.startsWith("int socket(")) return call;
    return (family, ...rest) => {
      if (family !== AF_NETLINK) return call(family, ...rest);
      koffi.errno(EAFNOSUPPORT);
      return -1;
    };
  };
  return { func };
};
