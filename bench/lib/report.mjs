import { formatTable } from "../../scripts/lib/console.mjs";
import { BY_PRODUCTS, MEASURES } from "./measures.mjs";
import { median } from "./statistics.mjs";

/**
 * The results of all runs: what was recorded, by contender and measure, one record a run.
 */
export class Results {
  #records = new Map();

  add(contender, measure, record) {
    const key = `${contender} ${measure}`;
    const list = this.#records.get(key);
    if (list === undefined) this.#records.set(key, [record]);
    else list.push(record);
  }

  /** One value a run; runs that lack it are left out. */
  values(contender, measure, field = MEASURES[measure].value) {
    const records = this.#records.get(`${contender} ${measure}`) ?? [];
    return records.map((record) => record[field]).filter((value) => value !== undefined);
  }

  toJSON() {
    const tree = {};
    for (const [key, records] of this.#records) {
      const [contender, measure] = key.split(" ");
      tree[contender] ??= {};
      tree[contender][measure] = records;
    }
    return tree;
  }
}

/** The medians, a row a figure, a column a contender. */
export function figuresTable(contenders, measures, results) {
  const rows = [["median of runs", "unit", ...contenders.map(({ name }) => name)]];
  for (const figure of figuresOf(measures)) {
    const cells = contenders.map(({ name }) => {
      const value = median(results.values(name, figure.of, figure.value));
      return value === undefined ? "–" : value.toFixed(figure.digits);
    });
    rows.push([figure.title, figure.unit, ...cells]);
  }
  return formatTable(rows);
}

/** Medians of `own` over those of each other contender: above 1 we have more of it, be that good or bad. */
export function ratiosTable(own, others, measures, results) {
  const rows = [[`${own.name} over`, "better", ...others.map(({ name }) => name)]];
  for (const figure of figuresOf(measures).filter(({ unit }) => unit !== "%")) {
    const figureOf = ({ name }) => median(results.values(name, figure.of, figure.value));
    const cells = others.map((other) => {
      const ratio = figureOf(own) / figureOf(other);
      return Number.isFinite(ratio) ? `${ratio.toFixed(2)} ×` : "–";
    });
    rows.push([figure.title, figure.higherIsBetter === true ? "higher" : "lower", ...cells]);
  }
  return formatTable(rows);
}

/** Every target with what was measured. */
export function targetsTable(judgements) {
  const rows = [["target", "against", "bound", "measured", ""]];
  for (const { title, ours, theirs, bound, ratio, verdict } of judgements) {
    const measured = ratio === undefined ? "–" : `${ratio.toFixed(2)} ×`;
    rows.push([ours === undefined ? title : `${title} (${ours})`, theirs ?? "–", bound, measured, verdict]);
  }
  return formatTable(rows);
}

function figuresOf(measures) {
  const main = measures.map((name) => ({ ...MEASURES[name], of: name }));
  const rest = Object.values(BY_PRODUCTS).filter(({ of }) => measures.includes(of));
  return [...main, ...rest];
}
