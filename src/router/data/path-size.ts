import { IPV6_MIN_MTU_BYTES } from "../../packet/mtu.ts";

/** How large packets may be that go by a path. */
export class PathSize {
  /** These go in one piece; TCP is cut to it. */
  mtuBytes: number;
  /** Larger ones are refused; those in between go as they are, and the underlay may fragment them. */
  limitBytes: number;

  constructor(mtuBytes: number) {
    this.mtuBytes = mtuBytes;
    this.limitBytes = mtuBytes;
  }

  /** IPv6 has a minimum (RFC 8200 §5): whoever carries less has to fragment by himself. */
  limitOf(version: number): number {
    return version === 6 ? Math.max(this.limitBytes, IPV6_MIN_MTU_BYTES) : this.limitBytes;
  }
}
