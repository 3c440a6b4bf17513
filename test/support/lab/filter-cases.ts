import type { FilterDirection } from "../../../src/api/filter-rule.ts";
import type { Wanted } from "./connections.ts";

/**
 * What each part of a rule comes to, with all rules of a case in force at once: each row has ports of its own. Alice filters,
 * and has the tag `keeper`; bob is a member as she is; carol is in the CIDR `guests` and has the tag `guest`. All serve
 * `FILTERED_PORTS`.
 */
export interface FilterCase {
  readonly what: string;
  /** Where alice denies what no rule speaks of. */
  readonly denied: readonly FilterDirection[];
  readonly rows: readonly FilterRow[];
}

export interface FilterRow {
  readonly what: string;
  /** Flags of `mesh filter add` on alice; of an admin, where they say `--scope network`. `bob.ip4`: his address. */
  readonly rules?: readonly string[];
  /** What is not as it would be without a rule, one of the row's rules decides. */
  readonly connections: Wanted;
}

export const FILTERED_PORTS = Array.from({ length: 30 }, (_, i) => 8001 + i);

export const FILTER_CASES: readonly FilterCase[] = [
  {
    what: "is open without rules",
    denied: [],
    rows: [
      {
        what: "nothing stands against it",
        connections: {
          "bob -> alice:8001/tcp,udp": "answered",
          "bob -> alice/icmp": "answered",
          "alice -> carol:8001/tcp,udp": "answered",
          "bob -> alice:9/udp": "closed",
        },
      },
    ],
  },
  {
    what: "refuses what rules refuse, and nothing beside it",
    denied: [],
    rows: [
      {
        what: "denied over TCP",
        rules: ["--port 8001 --protocol tcp --action deny"],
        connections: { "bob -> alice:8001/tcp": "silence", "bob -> alice:8001/udp": "answered" },
      },
      {
        what: "denied over UDP",
        rules: ["--port 8002 --protocol udp --action deny"],
        connections: { "bob -> alice:8002/udp": "silence", "bob -> alice:8002/tcp": "answered" },
      },
      {
        what: "rejected over what has ports, coming in alone",
        rules: ["--port 8003 --action reject"],
        connections: { "bob -> alice:8003/tcp,udp": "rejected", "alice -> bob:8003/tcp,udp": "answered" },
      },
      {
        what: "a range of ports",
        rules: ["--port 8005-8007 --action reject"],
        connections: {
          "bob -> alice:8004/tcp": "answered",
          "bob -> alice:8005/tcp": "rejected",
          "bob -> alice:8006/udp": "rejected",
          "bob -> alice:8007/tcp": "rejected",
          "bob -> alice:8008/tcp": "answered",
        },
      },
      {
        what: "several ports",
        rules: ["--port 8009,8011 --action reject"],
        connections: {
          "bob -> alice:8009/tcp": "rejected",
          "bob -> alice:8010/tcp": "answered",
          "bob -> alice:8011/udp": "rejected",
        },
      },
      {
        what: "from one peer",
        rules: ["--port 8012 --action reject --source-peer bob"],
        connections: { "bob -> alice:8012/tcp,udp": "rejected", "carol -> alice:8012/tcp,udp": "answered" },
      },
      {
        what: "from a CIDR by its name",
        rules: ["--port 8013 --action reject --source-cidr members"],
        connections: { "bob -> alice:8013/tcp": "rejected", "carol -> alice:8013/tcp": "answered" },
      },
      {
        what: "from an IPv4 address",
        rules: ["--port 8014 --action reject --source-cidr bob.ip4/32"],
        connections: { "bob -> alice:8014/tcp": ["rejected", "answered"], "carol -> alice:8014/tcp": "answered" },
      },
      {
        what: "from an IPv6 address",
        rules: ["--port 8015 --action reject --source-cidr bob.ip6/128"],
        connections: { "bob -> alice:8015/udp": ["answered", "rejected"], "carol -> alice:8015/udp": "answered" },
      },
      {
        what: "from a tag",
        rules: ["--port 8016 --action reject --source-tag guest"],
        connections: { "carol -> alice:8016/tcp,udp": "rejected", "bob -> alice:8016/tcp,udp": "answered" },
      },
      {
        what: "to the peer that this is, from another",
        rules: ["--port 8017 --action reject --source-peer bob --dest-peer alice"],
        connections: { "bob -> alice:8017/tcp": "rejected", "carol -> alice:8017/tcp": "answered" },
      },
      {
        what: "to one of our addresses",
        rules: ["--port 8018 --action reject --dest-cidr alice.ip6/128"],
        connections: { "bob -> alice:8018/tcp,udp": ["answered", "rejected"] },
      },
      {
        what: "to a tag of ours",
        rules: ["--port 8019 --action reject --dest-tag keeper"],
        connections: { "bob -> alice:8019/tcp": "rejected" },
      },
      {
        what: "to a tag that we do not have",
        rules: ["--port 8020 --action reject --dest-tag guest"],
        connections: { "bob -> alice:8020/tcp": "answered" },
      },
      {
        what: "pings from one peer, and no other's, nor the answers to our own",
        rules: ["--protocol icmp --action reject --source-peer bob"],
        connections: {
          "bob -> alice/icmp": "rejected",
          "carol -> alice/icmp": "answered",
          "alice -> bob/icmp": "answered",
        },
      },
      {
        what: "pings to one peer, and no answers to its own",
        rules: ["--direction out --protocol icmp --action deny --dest-peer carol"],
        connections: { "alice -> carol/icmp": "silence" },
      },
      {
        what: "going out to one peer",
        rules: ["--direction out --port 8021 --action reject --dest-peer bob"],
        connections: {
          "alice -> bob:8021/tcp,udp": "rejected",
          "alice -> carol:8021/tcp,udp": "answered",
          "bob -> alice:8021/tcp,udp": "answered",
        },
      },
      {
        what: "going out to a CIDR, over TCP",
        rules: ["--direction out --port 8022 --protocol tcp --action deny --dest-cidr guests"],
        connections: {
          "alice -> carol:8022/tcp": "silence",
          "alice -> carol:8022/udp": "answered",
          "alice -> bob:8022/tcp": "answered",
        },
      },
      {
        what: "going out to a tag, over UDP",
        rules: ["--direction out --port 8023 --protocol udp --action deny --dest-tag guest"],
        connections: {
          "alice -> carol:8023/udp": "silence",
          "alice -> carol:8023/tcp": "answered",
          "alice -> bob:8023/udp": "answered",
        },
      },
      {
        what: "going out from one of our addresses",
        rules: ["--direction out --port 8024 --action reject --source-cidr alice.ip6/128 --dest-peer bob"],
        connections: { "alice -> bob:8024/tcp,udp": ["answered", "rejected"] },
      },
      {
        what: "the network's, going out at one end and coming in at the other",
        rules: ["--scope network --port 8025 --action reject --source-tag guest --dest-cidr members"],
        connections: {
          "carol -> alice:8025/tcp": "rejected",
          "carol -> bob:8025/udp": "rejected",
          "bob -> alice:8025/tcp": "answered",
          "alice -> carol:8025/tcp": "answered",
        },
      },
      {
        what: "rejected here, and allowed here too",
        rules: ["--port 8026 --action allow", "--port 8026 --action reject"],
        connections: { "bob -> alice:8026/tcp": "rejected" },
      },
      {
        what: "rejected by the network, and allowed here",
        rules: ["--scope network --port 8027 --action reject --dest-peer alice", "--port 8027 --action allow"],
        connections: { "bob -> alice:8027/tcp": "rejected" },
      },
      {
        what: "rejected here, and allowed by the network",
        rules: ["--port 8028 --action reject", "--scope network --port 8028 --action allow --dest-peer alice"],
        connections: { "bob -> alice:8028/tcp": "rejected" },
      },
    ],
  },
  {
    what: "keeps rules for peers to these peers, whatever they send",
    denied: [],
    rows: [
      {
        what: "all of one peer's",
        rules: ["--protocol any --action reject --source-peer bob"],
        connections: { "bob -> alice:8001/tcp,udp": "rejected", "bob -> alice/icmp": "rejected" },
      },
      {
        what: "another's on any port",
        rules: ["--port any --protocol udp --action deny --source-peer carol"],
        connections: {
          "carol -> alice:8001/udp": "silence",
          "carol -> alice:8002/udp": "silence",
          "carol -> alice:8001/tcp": "answered",
          "carol -> alice/icmp": "answered",
        },
      },
      {
        what: "replies come in all the same",
        connections: {
          "alice -> bob:8001/tcp,udp": "answered",
          "alice -> bob/icmp": "answered",
          "alice -> carol:8001/udp": "answered",
        },
      },
    ],
  },
  {
    what: "denies what comes in, but for replies, ICMP errors about what we sent, and what rules allow",
    denied: ["in"],
    rows: [
      {
        what: "without a rule",
        connections: {
          "bob -> alice:8001/tcp,udp": "silence",
          "bob -> alice/icmp": "silence",
          "alice -> bob:8001/tcp,udp": "answered",
          "alice -> bob/icmp": "answered",
          "alice -> bob:9/tcp": "rejected",
          "alice -> bob:9/udp": "closed",
        },
      },
      {
        what: "a port over TCP",
        rules: ["--port 8002 --protocol tcp --action allow"],
        connections: {
          "bob -> alice:8002/tcp": "answered",
          "carol -> alice:8002/tcp": "answered",
          "bob -> alice:8002/udp": "silence",
        },
      },
      {
        what: "a range over UDP, from one peer",
        rules: ["--port 8003-8004 --protocol udp --action allow --source-peer bob"],
        connections: {
          "bob -> alice:8003/udp": "answered",
          "bob -> alice:8004/udp": "answered",
          "bob -> alice:8005/udp": "silence",
          "carol -> alice:8003/udp": "silence",
        },
      },
      {
        what: "from an IPv4 address",
        rules: ["--port 8006 --action allow --source-cidr bob.ip4/32"],
        connections: { "bob -> alice:8006/tcp,udp": ["answered", "silence"], "carol -> alice:8006/tcp": "silence" },
      },
      {
        what: "from an IPv6 address",
        rules: ["--port 8007 --action allow --source-cidr bob.ip6/128"],
        connections: { "bob -> alice:8007/tcp,udp": ["silence", "answered"], "carol -> alice:8007/tcp": "silence" },
      },
      {
        what: "from a CIDR by its name",
        rules: ["--port 8008 --action allow --source-cidr members"],
        connections: { "bob -> alice:8008/tcp": "answered", "carol -> alice:8008/tcp": "silence" },
      },
      {
        what: "from a tag",
        rules: ["--port 8009 --action allow --source-tag guest"],
        connections: { "carol -> alice:8009/tcp": "answered", "bob -> alice:8009/tcp": "silence" },
      },
      {
        what: "pings from one peer",
        rules: ["--protocol icmp --action allow --source-peer carol"],
        connections: { "carol -> alice/icmp": "answered" },
      },
      {
        what: "allowed by the network",
        rules: ["--scope network --port 8010 --action allow --dest-peer alice"],
        connections: { "bob -> alice:8010/tcp,udp": "answered" },
      },
      {
        what: "allowed, but to one peer",
        rules: ["--port 8011 --action allow", "--port 8011 --action deny --source-peer bob"],
        connections: { "bob -> alice:8011/tcp": "silence", "carol -> alice:8011/tcp": "answered" },
      },
      {
        what: "rejected, so that they are told",
        rules: ["--port 8012 --action reject"],
        connections: { "bob -> alice:8012/tcp,udp": "rejected" },
      },
    ],
  },
  {
    what: "denies what goes out, but for replies, ICMP errors of ours, and what rules allow",
    denied: ["out"],
    rows: [
      {
        what: "without a rule",
        connections: {
          "alice -> bob:8001/tcp,udp": "silence",
          "alice -> bob/icmp": "silence",
          "bob -> alice:8001/tcp,udp": "answered",
          "bob -> alice/icmp": "answered",
          "bob -> alice:9/udp": "closed",
        },
      },
      {
        what: "to one peer",
        rules: ["--direction out --port 8002 --action allow --dest-peer bob"],
        connections: { "alice -> bob:8002/tcp,udp": "answered", "alice -> carol:8002/tcp,udp": "silence" },
      },
      {
        what: "to a CIDR, over UDP",
        rules: ["--direction out --port 8003 --protocol udp --action allow --dest-cidr guests"],
        connections: {
          "alice -> carol:8003/udp": "answered",
          "alice -> carol:8003/tcp": "silence",
          "alice -> bob:8003/udp": "silence",
        },
      },
      {
        what: "pings to a tag",
        rules: ["--direction out --protocol icmp --action allow --dest-tag guest"],
        connections: { "alice -> carol/icmp": "answered" },
      },
    ],
  },
];
