import koffi from "koffi";

/** `struct group { char *gr_name; char *gr_passwd; gid_t gr_gid; char **gr_mem; }` */
const GR_GID_OFFSET = 16;

const library = koffi.load(null);
const getgrnam: (name: string) => unknown = library.func("void *getgrnam(const char *name)");

/** The number of this host's group of that name, wherever the host keeps its groups; undefined where there is none. */
export function groupId(name: string): number | undefined {
  const found = getgrnam(name);
  return found === null ? undefined : Number(koffi.decode(found, GR_GID_OFFSET, "uint32_t"));
}
