/** The part of npm `stun` 2 that we use; it brings no types of its own. */
declare module "stun" {
  interface AddressValue {
    readonly address: string;
    readonly port: number;
  }

  /** A message that came in. */
  interface StunResponse {
    getXorAddress(): AddressValue | undefined;
    getAddress(): AddressValue | undefined;
    getError(): { readonly code: number; readonly reason: string } | undefined;
  }

  /** A message to send. */
  interface StunRequest {
    addXorAddress(address: string, port: number): unknown;
    addError(code: number, reason?: string): unknown;
    addUnknownAttributes(types: readonly number[]): unknown;
    addFingerprint(): unknown;
    toBuffer(): Buffer;
  }

  const stun: {
    createMessage(type: number, transactionId: Buffer): StunRequest;
    /** Throws whatever comes to hand when the bytes are no STUN message. */
    decode(message: Buffer): StunResponse;
  };
  export = stun;
}
