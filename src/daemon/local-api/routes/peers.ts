import { peerAcceptSchema, pingRequestSchema, preferenceRequestSchema } from "../../../api/local.ts";
import { type Exchange, hangUp, readJson, sendLine, startLines } from "../exchange.ts";
import { answers, parseWith, type Routes, takes } from "../route.ts";

/** Peers, and the paths to them. */
export const peerRoutes: Routes = {
  "POST /v1/ping": { access: "group", handle: pingPeer },
  "GET /v1/preferences": answers("everybody", (target) => target.preferences()),
  "POST /v1/preferences": takes("group", preferenceRequestSchema, (target, request) => target.prefer(request)),
  "POST /v1/peers/accept": takes("owner", peerAcceptSchema, (target, { name }) => target.acceptPeer(name)),
};

async function pingPeer({ request, response, target }: Exchange): Promise<void> {
  const parsed = parseWith(pingRequestSchema, await readJson(request));
  const hungUp = hangUp(response);
  for await (const reply of target.ping(parsed, hungUp)) {
    if (hungUp.aborted) return;
    if (!response.headersSent) startLines(response);
    await sendLine(response, reply);
  }
  response.end();
}
