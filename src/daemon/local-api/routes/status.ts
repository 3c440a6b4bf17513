import { type Exchange, startLines } from "../exchange.ts";
import { answers, type Routes } from "../route.ts";

/** How the daemon stands. */
export const statusRoutes: Routes = {
  "GET /v1/status": answers("everybody", (target) => target.status()),
  "GET /v1/status/watch": { access: "everybody", handle: watchStatus },
  "GET /v1/metrics": answers("everybody", (target) => ({ metrics: target.metrics() })),
  "GET /v1/host": answers("group", (target) => target.hostChanges()),
};

async function watchStatus({ response, target }: Exchange): Promise<void> {
  startLines(response);
  let last = "";
  const send = () => {
    const line = JSON.stringify(target.status());
    if (line === last || response.writableNeedDrain) return;
    last = line;
    response.write(`${line}\n`);
  };
  send();
  const stop = target.onChange(send);
  // Who reads slowly misses what was in between, and not how it stands now.
  response.on("drain", send);
  await new Promise<void>((resolve) => response.once("close", resolve));
  stop();
}
