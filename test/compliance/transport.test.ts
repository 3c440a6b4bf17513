import { memoryPair, relayPair, ringPair, sshPair, udpPair } from "../support/transport-pairs.ts";
import { transportSuite } from "./transport.ts";

transportSuite("memory", memoryPair);
transportSuite("the ring between two threads", ringPair);
transportSuite("UDP over IPv4", () => udpPair("127.0.0.1", true));
transportSuite("UDP over IPv6", () => udpPair("::1", true));
transportSuite("UDP over IPv4 without segmentation offload", () => udpPair("127.0.0.1", false));
transportSuite("SSH", sshPair);
transportSuite("relay", relayPair);
