import type { Redactor } from "../base/redactor.ts";
import type { PeerKeys } from "../control/peer-keys.ts";

/** From now on no log has these private keys in it, whoever writes them there. */
export function concealKeys(keys: PeerKeys, redactor: Redactor): void {
  for (const key of [keys.exportMachineSeed(), keys.exportWireguardPrivate()]) {
    redactor.conceal(key);
    key.fill(0);
  }
}
