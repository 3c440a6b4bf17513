import { crc32 } from "node:zlib";
import stun from "stun";
import { formatAddress } from "../../packet/address.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";
import {
  ATTRIBUTE_HEADER_BYTES,
  AttributeType,
  FINGERPRINT_XOR,
  FIRST_OPTIONAL_TYPE,
  HEADER_BYTES,
  KNOWN_IN_ANSWER,
  KNOWN_IN_REQUEST,
  MAGIC_COOKIE,
  MessageType,
  UNKNOWN_ATTRIBUTE,
} from "./constants.ts";
