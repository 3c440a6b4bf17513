import { logsRequestSchema } from "../../../api/local-logs.ts";
import { type Exchange, startLines } from "../exchange.ts";
import { parseWith, type Routes } from "../route.ts";

/** What the daemon says. */
export const logRoutes: Routes = {
  "GET /v1/logs": { access: "group", handle: sendLogs },
};

async function sendLogs({ request, response, target }: Exchange): Promise<void> {
  const query = new URL(request.url ?? "", "http://mesh").searchParams;
  const { lines, level, follow } = parseWith(logsRequestSchema, Object.fromEntries(query));
  const isWanted = (line: string) => (JSON.parse(line).level ?? Number.POSITIVE_INFINITY) >= level;
  startLines(response);
  for (const line of target.logs.latest(lines, isWanted)) response.write(`{"entry":${line}}\n`);
  if (!follow) {
    response.end();
    return;
  }
  let skipped = 0;
  const stop = target.logs.follow((line) => {
    if (!isWanted(line)) return;
    // Who reads slowly misses some, and is told how many.
    if (response.writableNeedDrain) skipped++;
    else response.write(`{"entry":${line}}\n`);
  });
  response.on("drain", () => {
    if (skipped > 0) response.write(`{"skipped":${skipped}}\n`);
    skipped = 0;
  });
  await new Promise<void>((resolve) => response.once("close", resolve));
  stop();
}
