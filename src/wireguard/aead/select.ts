import { MeshError } from "../../base/errors.ts";
import { nobleProvider } from "./noble.ts";
import { loadOpensslProvider } from "./openssl.ts";
import type { AeadProvider, AeadProviderName } from "./provider.ts";
import { testAeadProvider } from "./self-test.ts";
import { loadSodiumProvider } from "./sodium.ts";

export interface AeadSelection {
  readonly provider: AeadProvider;
  /** Why each faster provider is not the one in use, in words for a log or `mesh status`. */
  readonly passedOver: readonly { readonly name: AeadProviderName; readonly reason: string }[];
}

/** Fastest first. */
const LOADERS: readonly { readonly name: AeadProviderName; readonly load: () => AeadProvider }[] = [
  { name: "openssl", load: () => loadOpensslProvider() },
  { name: "sodium", load: loadSodiumProvider },
  { name: "noble", load: () => nobleProvider },
];

/** The provider of this name, for a thread of a process in which another thread has tested it. */
export function loadAeadProvider(wanted: AeadProviderName): AeadProvider {
  return LOADERS.find(({ name }) => name === wanted)!.load();
}

/**
 * The fastest provider that loads and passes its self-test on this machine. With `only`, that one and no other:
 * `MeshError` `aead-unavailable` when it does not.
 */
export function selectAeadProvider(only?: AeadProviderName): AeadSelection {
  const passedOver: { name: AeadProviderName; reason: string }[] = [];
  for (const { name, load } of LOADERS) {
    if (only !== undefined && name !== only) continue;
    try {
      const provider = load();
      testAeadProvider(provider);
      return { provider, passedOver };
    } catch (failure) {
      passedOver.push({ name, reason: failure instanceof Error ? failure.message : String(failure) });
    }
  }
  const reasons = passedOver.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  throw new MeshError("aead-unavailable", `no usable AEAD provider (${reasons})`);
}
