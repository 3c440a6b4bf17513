/** What the user should know although nothing failed over it; one line for each cause. */
export class Warnings {
  readonly #lines = new Map<string, string>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  set(cause: string, line: string): void {
    if (this.#lines.get(cause) === line) return;
    this.#lines.set(cause, line);
    this.#onChange();
  }

  clear(cause: string): void {
    if (this.#lines.delete(cause)) this.#onChange();
  }

  /** Makes `lines` the only ones whose cause starts with `prefix`. */
  replaceGroup(prefix: string, lines: ReadonlyMap<string, string>): void {
    for (const cause of [...this.#lines.keys()]) {
      if (cause.startsWith(prefix) && !lines.has(cause.slice(prefix.length))) this.clear(cause);
    }
    for (const [cause, line] of lines) this.set(prefix + cause, line);
  }

  list(): string[] {
    return [...this.#lines.values()];
  }
}
