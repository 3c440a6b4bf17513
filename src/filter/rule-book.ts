import type { PacketBuffer } from "../packet/packet-buffer.ts";
import type { FilterCells } from "./filter-cells.ts";
import type { Flow } from "./flow.ts";
import { type DirectionProgram, type FilterProgram, MayStart } from "./program.ts";
import { RuleTable } from "./rule-table.ts";
import { Verdict } from "./verdict.ts";

interface Direction {
  readonly tables: readonly (RuleTable | null)[];
  readonly otherwise: Verdict;
}

/** The rules in force: decides on connections as they open, and again when rules have changed. */
export class RuleBook {
  /** Of the latest judgement: the cell of the rule that decided, −1 for the default. */
  slot = -1;
  readonly #in: Direction;
  readonly #out: Direction;
  readonly #mayStart: Uint8Array;
  readonly #cells: Pick<FilterCells, "hit">;

  constructor(program: FilterProgram, cells: Pick<FilterCells, "hit">) {
    this.#in = directionOf(program.in);
    this.#out = directionOf(program.out);
    this.#mayStart = program.mayStart;
    this.#cells = cells;
  }

  /** On the connection that `flow`, of a packet in either direction, is of: `startedHere` says which end opens it. */
  judge(flow: Flow, buffer: PacketBuffer, startedHere: boolean): Verdict {
    const verdict = this.decide(flow, buffer, startedHere);
    if (this.slot >= 0) this.#cells.hit(this.slot);
    return verdict;
  }

  /** The same without counting. */
  decide(flow: Flow, buffer: PacketBuffer, startedHere: boolean): Verdict {
    this.slot = -1;
    const { peer, nearOffset, farOffset, version } = flow;
    const who = peer < this.#mayStart.length ? this.#mayStart[peer]! : MayStart.both;
    if (who !== MayStart.both && (who === MayStart.self) !== startedHere) return Verdict.oneWay;
    const { tables, otherwise } = startedHere ? this.#out : this.#in;
    const table = tables[flow.protocol]!;
    if (table === null) return otherwise;
    const rule = startedHere
      ? table.decide(buffer, nearOffset, farOffset, version, flow.farPort, peer)
      : table.decide(buffer, farOffset, nearOffset, version, flow.nearPort, peer);
    if (rule < 0) return otherwise;
    this.slot = table.slot(rule);
    return table.verdict(rule);
  }
}

function directionOf({ tables, otherwise }: DirectionProgram): Direction {
  return { tables: tables.map((table) => (table === null ? null : new RuleTable(table))), otherwise };
}
