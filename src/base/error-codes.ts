import { TRANSPORT_NAMES, transportsInWords } from "./transports.ts";

interface ErrorCodeInfo {
  /** Exit status of a command that ends with this error (see `ExitStatus`). */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7;
  /** HTTP status when the error crosses an HTTP API. */
  readonly http: number;
  /** What to do about it, where the place that throws knows nothing better. */
  readonly hint: string;
}

/** The closed set of stable error codes. `docs/errors.md` has one line for each; a test holds the two together. */
export const ERROR_CODES = {
  internal: { exit: 1, http: 500, hint: "This is a bug in mesh; please report it with `mesh logs`." },
  "bad-usage": { exit: 2, http: 400, hint: "See `mesh --help`." },
  "bad-request": { exit: 2, http: 400, hint: "Check the request against docs/protocol.md." },
  "bad-address": { exit: 2, http: 400, hint: "Give an IPv4 or IPv6 address." },
  "bad-cidr": { exit: 2, http: 400, hint: "Give a network such as 10.86.0.0/16 or fd00::/48." },
  "bad-endpoint": { exit: 2, http: 400, hint: "Give HOST:PORT or [V6]:PORT." },
  "bad-key": { exit: 2, http: 400, hint: "A key is 32 bytes in base64." },
  "bad-name": {
    exit: 2,
    http: 400,
    hint: "Names are lower-case letters, digits and single hyphens, 63 characters at most; off, any, all and auto are taken.",
  },
  "bad-duration": { exit: 2, http: 400, hint: "Give a duration such as 90s, 15m, 12h or 14d." },
  "bad-config": { exit: 2, http: 400, hint: "Correct the file; `configs/` holds commented examples." },
  "token-malformed": { exit: 2, http: 400, hint: "Copy the whole token as `mesh token create` printed it." },
  "invitation-malformed": {
    exit: 2,
    http: 400,
    hint: "Use the file as `mesh invite create` wrote it; an admin makes another by `mesh invite reissue PEER`.",
  },
  "network-exists": {
    exit: 6,
    http: 409,
    hint: "Use another `--home`, or add `--yes` to replace the network; its database is kept under another name.",
  },
  "setting-unknown": { exit: 2, http: 400, hint: "`mesh get` lists all of them." },
  "setting-invalid": { exit: 2, http: 400, hint: "`configs/peer.yaml` shows what each setting takes." },
  "settings-conflict": {
    exit: 6,
    http: 409,
    hint: "Drop what commands have set by `mesh up --reset`, or say the same: `mesh get` shows what holds.",
  },
  overtaken: { exit: 6, http: 409, hint: "What was asked for last holds: see `mesh status`." },
  "file-exists": { exit: 6, http: 409, hint: "Choose another name, or move the file that is there away." },
  "token-unknown": { exit: 4, http: 403, hint: "Ask an admin for a new token." },
  "token-expired": { exit: 4, http: 403, hint: "Ask an admin for a new token." },
  "token-used": { exit: 4, http: 403, hint: "Its uses are spent; ask an admin for a new token." },
  "token-revoked": { exit: 4, http: 403, hint: "Ask an admin for a new token." },
  "token-required": { exit: 4, http: 401, hint: "Join with a token: `mesh join TOKEN`." },
  "token-bound": {
    exit: 4,
    http: 403,
    hint: "Join under the name that the token is for: `mesh join TOKEN --name NAME`.",
  },
  "token-wrong-kind": {
    exit: 4,
    http: 403,
    hint: "`mesh join` takes a join token; `mesh relay` takes one of `mesh token create --relay`, or an admin's.",
  },
  "name-taken": { exit: 6, http: 409, hint: "Choose another name with `--name`, or have the old peer leave first." },
  "key-taken": {
    exit: 6,
    http: 409,
    hint: "Each peer needs keys of its own; do not copy a machine's state to another.",
  },
  "last-admin": { exit: 6, http: 409, hint: "Give another peer the admin right first: `mesh peer set-admin NAME on`." },
  "address-taken": { exit: 6, http: 409, hint: "Choose another address, or leave the choice to the coordinator." },
  "cidr-full": { exit: 6, http: 409, hint: "Its addresses are used up; use another CIDR." },
  "cidr-overlap": {
    exit: 6,
    http: 409,
    hint: "Choose a range that no other CIDR uses; `mesh cidr list --tree` shows them.",
  },
  "cidr-wrong-parent": { exit: 6, http: 409, hint: "Leave `--parent` out, or choose a range inside that CIDR." },
  "cidr-in-use": { exit: 6, http: 409, hint: "Remove what is named first." },
  "cidr-builtin": {
    exit: 6,
    http: 409,
    hint: "root, infra and the CIDR of peers without another stay; they can be renamed.",
  },
  "cidr-disabled": { exit: 4, http: 403, hint: "Ask an admin: `mesh cidr enable NAME`." },
  "bad-association": { exit: 2, http: 400, hint: "Name two CIDRs of which one does not see the other already." },
  "association-exists": {
    exit: 6,
    http: 409,
    hint: "To make another of it, delete it first: `mesh association delete A B`.",
  },
  "challenge-unknown": { exit: 1, http: 409, hint: "Challenges last a minute and serve once; ask for another." },
  "proof-invalid": { exit: 4, http: 403, hint: "The request must be proved with the private halves of both keys." },
  "not-registered": { exit: 4, http: 403, hint: "This machine is no peer of the network; join again with a token." },
  "peer-disabled": { exit: 4, http: 403, hint: "An admin has disabled this peer." },
  "rate-limited": { exit: 1, http: 429, hint: "Wait a moment and try again." },
  "too-large": { exit: 2, http: 413, hint: "Send less." },
  "method-not-allowed": {
    exit: 2,
    http: 405,
    hint: "Check the request against docs/protocol.md, or docs/local-api.md.",
  },
  "control-replaced": { exit: 1, http: 409, hint: "Another process uses this machine's keys; run one daemon only." },
  "relay-unreachable": {
    exit: 1,
    http: 502,
    hint: "Other paths are used meanwhile; check that the relay runs and that no firewall is in between.",
  },
  "relay-replaced": { exit: 1, http: 409, hint: "Another process uses this machine's keys; run one daemon only." },
  "proxy-failed": {
    exit: 1,
    http: 502,
    hint: "Check HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT), or name the host in NO_PROXY.",
  },
  "not-ready": { exit: 1, http: 503, hint: "Ask again in a moment; the log says what is amiss." },
  "shutting-down": { exit: 1, http: 503, hint: "The coordinator is stopping; connect again in a moment." },
  "store-missing": {
    exit: 1,
    http: 500,
    hint: "Install the optional package better-sqlite3, which `mesh serve` needs.",
  },
  "store-damaged": { exit: 1, http: 500, hint: "Restore the database from a backup." },
  "store-too-new": { exit: 1, http: 500, hint: "Run the version of mesh that wrote it, or a later one." },
  "name-mismatch": {
    exit: 6,
    http: 409,
    hint: "Leave the network first with `mesh leave`, or join another one with `--network`.",
  },
  "needs-join": { exit: 5, http: 409, hint: "Join a network first: `mesh join TOKEN`." },
  "state-damaged": {
    exit: 1,
    http: 500,
    hint: "Put the file back from a backup, or remove it and join again.",
  },
  "already-running": { exit: 6, http: 409, hint: "Stop the other one with `mesh down`, or use another `--home`." },
  "port-in-use": { exit: 6, http: 409, hint: "Choose another port with `--listen-port`, or 0 for any free one." },
  "coordinator-unreachable": {
    exit: 1,
    http: 502,
    hint: "Check that `mesh serve` runs there and that no firewall is in between.",
  },
  "not-a-coordinator": {
    exit: 1,
    http: 502,
    hint: "Check host and port; a coordinator listens on 8443 unless told otherwise.",
  },
  "plain-http": { exit: 1, http: 502, hint: "Give the coordinator's https port, or start it with TLS." },
  "ca-mismatch": {
    exit: 1,
    http: 502,
    hint: "Somebody may be in between, or the token belongs to another coordinator; ask an admin for a new token.",
  },
  "certificate-untrusted": {
    exit: 1,
    http: 502,
    hint: "Join with a token that carries the CA's fingerprint, or give the coordinator a publicly trusted certificate.",
  },
  "protocol-mismatch": { exit: 1, http: 426, hint: "Upgrade the older end." },
  "coordinator-refused": { exit: 1, http: 502, hint: "See the coordinator's log." },
  "map-refused": {
    exit: 1,
    http: 502,
    hint: "The coordinator sent a network map that contradicts what this machine knows; ask its admin.",
  },
  "interface-taken": { exit: 6, http: 409, hint: "Choose another interface name with `--interface`." },
  "bad-interface-name": {
    exit: 2,
    http: 400,
    hint: "An interface name has 1 to 15 characters, with no slash, colon or white space.",
  },
  "missing-capability": {
    exit: 4,
    http: 403,
    hint: "Run as root, or give the program CAP_NET_ADMIN (`AmbientCapabilities` in a systemd unit, `--cap-add` in a container).",
  },
  "missing-tool": { exit: 1, http: 500, hint: "Install the program that is named." },
  "host-change-failed": { exit: 1, http: 500, hint: "See what the system's tool said; `mesh logs` has the rest." },
  "range-conflict": {
    exit: 6,
    http: 409,
    hint: "Use another range for the mesh (`mesh serve --network-cidr`), or take the other network off this machine.",
  },
  "route-overlap": {
    exit: 6,
    http: 409,
    hint: "Two networks of the same addresses cannot be told apart: advertise a narrower one, or renumber one of them.",
  },
  "default-route-advertised": {
    exit: 2,
    http: 400,
    hint: "To carry others' traffic to the internet, offer an exit: `--allow-exit-traffic`, or `mesh exit offer on`.",
  },
  "no-tun-device": {
    exit: 1,
    http: 500,
    hint: "Load the kernel's `tun` module, or pass /dev/net/tun into the container.",
  },
  "listen-failed": { exit: 1, http: 500, hint: "Give an address of this machine, or none for all of them." },
  "filter-rule-exists": { exit: 6, http: 409, hint: "Remove the other rule first: `mesh filter remove ID`." },
  "filter-ambiguous": { exit: 6, http: 409, hint: "Say which one by its id: `mesh filter remove ID`." },
  "filter-rule-fixed": {
    exit: 6,
    http: 409,
    hint: "`mesh filter remove` takes rules of `mesh filter add` only; change the others where they come from.",
  },
  "bad-assertions": {
    exit: 2,
    http: 400,
    hint: "One a line: `accept FROM -> TO:PORT/PROTOCOL` or `deny …`; see docs/policy-test.md.",
  },
  "bad-changes": {
    exit: 2,
    http: 400,
    hint: "One a line, as after `mesh`: `association add A B`, `cidr …`, `peer …`, `filter … --scope network`; see docs/policy-test.md.",
  },
  "filter-full": { exit: 6, http: 409, hint: "Remove rules, or make one of several: a rule takes ranges and CIDRs." },
  "exit-is-self": { exit: 2, http: 400, hint: "Name another peer; `mesh exit list` shows those that offer an exit." },
  "exit-not-offered": {
    exit: 6,
    http: 409,
    hint: "`mesh exit list` shows who offers one; there: `mesh exit offer on`, and an admin may forbid it.",
  },
  "exit-forbidden": { exit: 4, http: 403, hint: "Ask an admin for an association by which this machine may start." },
  "exit-needs-mark": {
    exit: 6,
    http: 409,
    hint: "Start the daemon with a firewall mark (`--fwmark`): by it routing tells the tunnel from what goes through it.",
  },
  "exit-guard-taken": {
    exit: 6,
    http: 409,
    hint: "Have the other network let its exit go first: `mesh --network NAME exit use off`.",
  },
  "exit-not-used": { exit: 6, http: 409, hint: "`mesh exit use PEER` begins to use one." },
  "exit-not-on-trial": { exit: 5, http: 404, hint: "`mesh exit use PEER --confirm-within 60s` begins a trial." },
  "bad-dns-record": {
    exit: 2,
    http: 400,
    hint: "Such as `mesh dns add git CNAME alice.mesh`; see docs/dns.md.",
  },
  "bad-dns-server": {
    exit: 2,
    http: 400,
    hint: "Give addresses, such as `mesh dns servers set 192.0.2.53`; see docs/dns.md.",
  },
  "dns-record-exists": { exit: 6, http: 409, hint: "To change its TTL, remove it first: `mesh dns remove NAME TYPE`." },
  "dns-conflict": {
    exit: 6,
    http: 409,
    hint: "Choose another name; `mesh dns records` and `mesh peers` show those in use.",
  },
  "dns-full": { exit: 6, http: 409, hint: "Remove what is not needed any more: `mesh dns remove NAME`." },
  "bad-transport": { exit: 2, http: 400, hint: `The transports are ${transportsInWords("and")}.` },
  "transport-excluded": {
    exit: 6,
    http: 409,
    hint: `Start the daemon with others: \`--transports ${TRANSPORT_NAMES.join()}\`, or the key \`transports\` of its configuration.`,
  },
  "ssh-identity-unusable": {
    exit: 1,
    http: 500,
    hint: "Give an OpenSSH private key that needs no passphrase (`ssh-keygen -t ed25519 -N ''` makes one).",
  },
  "ssh-host-key-unknown": {
    exit: 1,
    http: 500,
    hint: "Add the jump host's key to the known_hosts file, after checking it with who runs the host.",
  },
  "ssh-host-key-changed": {
    exit: 1,
    http: 502,
    hint: "Somebody may be in between, or the jump host has a new key; ask who runs it before changing known_hosts.",
  },
  "ssh-jump-refused": {
    exit: 1,
    http: 502,
    hint: "Have the user's key let in on the jump host, with TCP forwarding allowed (`AllowTcpForwarding local`).",
  },
  "ssh-jump-unreachable": {
    exit: 1,
    http: 502,
    hint: "Check the jump host's name and port, and the firewalls in between.",
  },
  "no-udp": { exit: 1, http: 500, hint: "Bring up the loopback interface and at least one IP family." },
  "data-plane-failed": {
    exit: 1,
    http: 500,
    hint: "Traffic through the mesh has stopped; start the daemon again, and see `mesh logs`.",
  },
  "service-manager-missing": {
    exit: 1,
    http: 500,
    hint: "Start it by `mesh up --detach`, `mesh serve` or `mesh relay`; `mesh service install --root DIR` serves a system that does not run.",
  },
  "service-failed": { exit: 1, http: 500, hint: "See `mesh service status` and `mesh service logs`." },
  "aead-unavailable": {
    exit: 1,
    http: 500,
    hint: "Leave the choice of the provider to mesh, or install what it needs.",
  },
  "peer-is-self": { exit: 2, http: 400, hint: "A machine is not its own peer; check the public key." },
  "no-daemon": { exit: 3, http: 503, hint: "Start one with `mesh up`, or join a network with `mesh join`." },
  "no-coordinator": { exit: 3, http: 503, hint: "Start one on this host with `mesh serve`." },
  "not-permitted": { exit: 4, http: 403, hint: "Run the command as root or as the owner of the daemon." },
  "not-found": { exit: 5, http: 404, hint: "Check the name." },
  interrupted: { exit: 1, http: 503, hint: "Run the command again." },
  timeout: { exit: 7, http: 504, hint: "Try again, or check the network in between." },
} as const satisfies Record<string, ErrorCodeInfo>;

export type ErrorCode = keyof typeof ERROR_CODES;
