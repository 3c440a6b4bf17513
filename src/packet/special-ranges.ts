/**
 * Ranges that are not the internet: of one host, of one network, of a provider's inside, or nobody's (RFC 6890 and the
 * registries it began). What clouds answer instances at stands in them, but for Azure's.
 */
export const LOCAL_RANGES = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "224.0.0.0/3",
  "::/96",
  "::ffff:0:0/96",
  "64:ff9b:1::/48",
  "fc00::/7",
  "fe80::/9",
  "ff00::/8",
] as const;

/** Of every host's own, of one link, or nobody's: no network of these can be behind a router. */
export const UNROUTED_RANGES = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/96",
  "::ffff:0:0/96",
  "fe80::/10",
  "ff00::/8",
] as const;
