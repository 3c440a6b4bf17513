import type { EndFacts, HalfQuestion, WayBeyond } from "../../api/explain.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import type { AcceptedRoutes } from "../exit/accepted-routes.ts";
import type { ExitUse } from "../exit/exit-use.ts";
import { type ExitAsked, wayIn, wayOut } from "./way-beyond.ts";

export interface WayBeyondDeps {
  readonly exitUse: Pick<ExitUse, "isAsked" | "view" | "standings" | "isGuarded" | "beside">;
  readonly routes: Pick<AcceptedRoutes, "view">;
  readonly map: () => NetworkMap | undefined;
}

/** What the packet path and the host say of the packet. */
interface Looked {
  /** Key of the peer at the other end. */
  readonly peer: string | null;
  readonly isUnasked: boolean;
  /** Null for what comes in. */
  readonly route: EndFacts["route"];
}

/** By which way this machine has to do with an address that is no machine of the mesh. */
export async function gatherWayBeyond(
  question: HalfQuestion,
  { peer: key, isUnasked, route }: Looked,
  { exitUse, routes, map }: WayBeyondDeps,
): Promise<WayBeyond> {
  const peer = map()?.peers.find(({ wireguardKey }) => wireguardKey === key)?.name ?? null;
  if (route === null) return wayIn(question.source, { peer, routes: routes.view(), isUnasked });
  const exit = exitUse.isAsked ? await exitAsked(question, route, { exitUse, map }) : undefined;
  return wayOut({ address: question.destination, host: route, peer, routes: routes.view(), exit });
}

async function exitAsked(
  question: HalfQuestion,
  { interface: interfaceName, isOurs }: NonNullable<EndFacts["route"]>,
  { exitUse, map }: Pick<WayBeyondDeps, "exitUse" | "map">,
): Promise<ExitAsked> {
  const { using, families } = exitUse.view();
  const itsFamilies = map()?.peers.find(({ name }) => name === using)?.exit ?? [];
  const [isGuarded, beside] = await Promise.all([
    exitUse.isGuarded(),
    isOurs || interfaceName === null ? undefined : exitUse.beside(question, interfaceName),
  ]);
  return { standings: exitUse.standings(), using, itsFamilies, families, isGuarded, beside };
}
