import type { Redactor } from "../../base/redactor.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";

/** From now on no log has these private keys in it, whoever writes them there. */
export function concealKeys(keys: PeerKeys, redactor: Redactor): void {
  concealSecrets([keys.exportMachineSeed(), keys.exportWireguardPrivate()], redactor);
}

/** The same of the halves of keys that nobody else has, which are wiped. */
export function concealSecrets(secrets: readonly Uint8Array[], redactor: Redactor): void {
  for (const secret of secrets) {
    redactor.conceal(secret);
    secret.fill(0);
  }
}
