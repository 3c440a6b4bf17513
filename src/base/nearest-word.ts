/** More slips than these are another word. */
const MAX_SLIPS = 2;

/** The word of these that somebody may have meant who wrote `word`; undefined where none is near. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, slips: editDistance(word, each) }))
    .filter(({ each, slips }) => slips <= Math.min(MAX_SLIPS, each.length - 1))
    .sort((a, b) => a.slips - b.slips);
  return best?.each;
}

/** Letters to add, leave out or exchange, neighbours that are swapped counting once (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const [above, row] = [rows[i - 1]!, [i]];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (isSame ? 0 : 1));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
