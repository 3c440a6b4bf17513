/**
 * Simple Service Discovery Protocol (UPnP Device Architecture 2.0 §1.3), as much as it takes to find the description of an
 * Internet Gateway Device: a search, and the replies to it. HTTP without a body, a datagram each.
 */
export const SSDP_PORT = 1900;
export const SSDP_GROUP = "239.255.255.250";

/** Seconds over which devices spread their replies. */
const MAX_WAIT_SECONDS = 1;
const MAX_REPLY_BYTES = 2048;
const TARGETS = [
  "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
  "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
];

/** The searches for a gateway, of either version of the device. */
export function gatewaySearches(): readonly Uint8Array[] {
  return TARGETS.map((target) =>
    Buffer.from(
      [
        "M-SEARCH * HTTP/1.1",
        `HOST: ${SSDP_GROUP}:${SSDP_PORT}`,
        'MAN: "ssdp:discover"',
        `MX: ${MAX_WAIT_SECONDS}`,
        `ST: ${target}`,
        "",
        "",
      ].join("\r\n"),
    ),
  );
}

/**
 * Where a reply says that the gateway describes itself; undefined unless it is a gateway's, and the place is at `gateway`
 * itself: whoever else answers may say what he likes.
 */
export function locationIn(reply: Uint8Array, gateway: string): URL | undefined {
  if (reply.length > MAX_REPLY_BYTES) return undefined;
  const [status = "", ...lines] = Buffer.from(reply).toString("latin1").split("\r\n");
  if (!/^HTTP\/1\.[01] 200\b/.test(status)) return undefined;
  const header = (name: string) => {
    const line = lines.find((each) => each.toLowerCase().startsWith(`${name}:`));
    return line?.slice(name.length + 1).trim();
  };
  if (!TARGETS.includes(header("st") ?? "")) return undefined;
  const location = header("location") ?? "";
  if (!URL.canParse(location)) return undefined;
  const url = new URL(location);
  const isPlain = url.protocol === "http:" && url.username === "" && url.password === "";
  return isPlain && url.hostname === gateway ? url : undefined;
}
