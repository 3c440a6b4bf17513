import type { Progress, ProgressEvent } from "../../daemon/peer-plan.ts";
import { paint, printJsonLine, printLine } from "../output.ts";
import { formatRtt } from "./format.ts";

/** Prints what a start tells: a line for each event, JSON or words. */
export function progressPrinter({ json }: { readonly json: boolean }): Progress {
  if (json) return printJsonLine;
  return (event) => {
    const line = describe(event);
    if (line !== undefined) printLine(line);
  };
}

function describe(event: ProgressEvent): string | undefined {
  const done = paint("✓", "green");
  switch (event.event) {
    case "coordinator":
      return `${done} coordinator reached: ${event.url} (network ${event.network})`;
    case "registered":
      return `${done} ${event.resumed ? "known already" : "token accepted"}: ${event.name} has ${event.ip4} and ${event.ip6}`;
    case "coordinator-away":
      return `${paint("!", "yellow")} going on without the coordinator: ${event.reason}`;
    case "interface":
      return `${done} ${event.interface} is up, UDP port ${event.listenPort}, encryption by ${event.aeadProvider}`;
    case "running":
      return `${done} running: ${event.name} in ${event.network}`;
    case "peer": {
      const { path } = event;
      if (path === null) return `  ${event.name}  ${event.ip4}  no path yet`;
      return `  ${event.name}  ${event.ip4}  ${path.transport} ${path.endpoint}  ${formatRtt(path.rttMs)}`;
    }
    case "settled":
      return undefined;
    case "warning":
      return `${paint("!", "yellow")} ${event.warning}`;
  }
}
