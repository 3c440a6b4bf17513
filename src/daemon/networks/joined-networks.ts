import type { JoinToken } from "../../api/join-token.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import { cidrsOverlap, parseCidr } from "../../packet/cidr.ts";
import { type Home, listNetworks, networkPaths } from "./home.ts";
import { type Enrolment, NetworkState, type Settings } from "./network-state.ts";

/** What the disk says of a network that this machine has joined. */
export interface JoinedNetwork {
  /** By which this machine knows it. */
  readonly network: string;
  readonly enrolment: Enrolment;
  /** Undefined before its first start. */
  readonly settings: Settings | undefined;
}

/** All that this home holds but `network`, whether or not their daemons run. What of them is damaged is left out. */
export async function otherNetworks(home: Home, network: string): Promise<JoinedNetwork[]> {
  const others = listNetworks(home).filter((name) => name !== network);
  return (await Promise.all(others.map((name) => readJoined(home, name)))).flat();
}

/**
 * Two networks of one host cannot have the same addresses: the routes of one would hide the other's.
 * @param ranges of a network that is to be joined
 * @throws MeshError `range-conflict`
 */
export function requireApart(ranges: readonly string[], others: readonly JoinedNetwork[]): void {
  for (const { network, enrolment } of others) {
    for (const taken of [enrolment.network.cidr4, enrolment.network.cidr6]) {
      const range = ranges.find((each) => cidrsOverlap(parseCidr(each), parseCidr(taken)));
      if (range === undefined) continue;
      throw new MeshError("range-conflict", `its range ${range} overlaps ${taken} of ${network}, joined here too`, {
        hint: `Have one of both in another range (\`mesh serve --network-cidr\`), or leave ${network}: \`mesh --network ${network} leave\`.`,
      });
    }
  }
}

/**
 * Whether a token is certainly for another network than this one: its CA is another one, and so is its coordinator. A CA may
 * have been renewed, and a coordinator may have moved.
 */
export function isOfAnotherNetwork(
  { urls, caFingerprint }: Pick<JoinToken, "urls" | "caFingerprint">,
  { urls: known, trust }: Enrolment,
): boolean {
  if (caFingerprint === undefined || trust.kind !== "pinned-ca") return false;
  return caFingerprint !== trust.fingerprint && !urls.some((url) => known.includes(url));
}

async function readJoined(home: Home, network: string): Promise<JoinedNetwork[]> {
  const state = new NetworkState(networkPaths(home, network).directory);
  try {
    const enrolment = await state.enrolment.read();
    return enrolment === undefined ? [] : [{ network, enrolment, settings: await state.settings.read() }];
  } catch (failure) {
    if (asMeshError(failure).code !== "state-damaged") throw failure;
    return [];
  }
}
