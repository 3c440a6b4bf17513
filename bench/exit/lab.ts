// What the benchmark takes from the lab; `npm run bench` compiles it.
export { ExitNetwork, WEB } from "../../test/support/lab/exit-network.ts";
