/** RFC 5769 §2: sample messages, with the endpoint that the answers name. */
const sample = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));

export const TRANSACTION_ID = "b7e7a701bc34d686fa87dfae";

/** §2.1; with USERNAME, MESSAGE-INTEGRITY and attributes of ICE. */
export const REQUEST = sample(`
  00010058 2112a442 b7e7a701bc34d686fa87dfae
  80220010 5354554e207465737420636c69656e74
  00240004 6e0001ff
  80290008 932ff9b151263b36
  00060009 6576746a3a68367659202020
  00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004 e57a3bcf`);

/** §2.2 */
export const RESPONSE_IPV4 = sample(`
  0101003c 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f7220
  00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004 c07d4c96`);
export const REFLEXIVE_IPV4 = { address: "192.0.2.1", port: 32853 };

/** §2.3 */
export const RESPONSE_IPV6 = sample(`
  01010048 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f7220
  00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004 c8fb0b4c`);
export const REFLEXIVE_IPV6 = { address: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 };
