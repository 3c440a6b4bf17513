import { isPipe } from "../../packet/endpoint.ts";
import { formatEndpoint } from "./endpoint-text.ts";
import type { PipeTable } from "./pipe-table.ts";
import type { DescribePath } from "./tunnel-types.ts";

/** Words for endpoints: an address and port, or where a pipe leads. */
export function describePathsOf(pipes: PipeTable): DescribePath {
  return (endpoint) => {
    if (endpoint === null) return { transport: "udp", endpoint: "" };
    if (!isPipe(endpoint)) return { transport: "udp", endpoint: formatEndpoint(endpoint) };
    const pipe = pipes.get(endpoint);
    if (pipe === undefined) return { transport: "relay", endpoint: "" };
    return { transport: pipe.transport.transport, endpoint: pipe.transport.addressOf(pipe.peer) ?? "" };
  };
}
