// What the benchmark takes from the lab; `npm run bench` compiles it.
export { type Meeting, meet } from "../../test/support/lab/meeting.ts";
export { NatGrid, type NatPair } from "../../test/support/lab/nat-grid.ts";
export { PATH_TABLE_KINDS, pathBetween } from "../../test/support/lab/path-table.ts";
