import { randomBytes } from "node:crypto";
import { copyFile, type FileHandle, open, readFile } from "node:fs/promises";
import { z } from "zod";
import { errnoOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { writeFileAtomic } from "../atomic-file.ts";

/** A daemon that runs for years adds and removes routes all the time; past this length the settled lines go. */
const MAX_LINES = 1000;

// The file: one JSON object a line.
//   {"do":7,"undo":{…}}    written and synced before change 7 is made; `undo` says how to take it back
//   {"undone":7}           written after it was taken back, or was never made
const recordSchema = z.union([
  z.object({ do: z.number().int(), undo: z.unknown() }),
  z.object({ undone: z.number().int() }),
]);

export interface UndoJournalOptions<Step> {
  readonly path: string;
  /** What a step read from the disk must look like. */
  readonly stepSchema: z.ZodType<Step>;
}

export interface UndoJournalDeps<Step> {
  /** Takes a change back. It may never have been made, or be gone already: both are success. */
  readonly undo: (step: Step) => Promise<void>;
  readonly logger: Logger;
}

/**
 * Remembers on disk how to take back each change to the host, before the change is made: whatever kills the process, at
 * whatever moment, the next one finds what was left and takes it back. Newest first, each step on its own: one that fails
 * is logged and stays in the journal, and the others are still undone. Several may ask at once: one change follows the other.
 */
export class UndoJournal<Step> {
  readonly #deps: UndoJournalDeps<Step>;
  readonly #path: string;
  readonly #pending: Map<number, Step>;
  #file: FileHandle | undefined;
  #nextId: number;
  #linesWritten = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(path: string, pending: Map<number, Step>, deps: UndoJournalDeps<Step>) {
    this.#path = path;
    this.#pending = pending;
    this.#deps = deps;
    this.#nextId = Math.max(0, ...pending.keys()) + 1;
  }

  /** Opens the journal (made 0600 where missing). What an earlier process left in it is `pending` until `undoAll`. */
  static async open<Step>(options: UndoJournalOptions<Step>, deps: UndoJournalDeps<Step>): Promise<UndoJournal<Step>> {
    const { pending, isDamaged } = await readJournal(options);
    if (isDamaged) {
      const aside = `${options.path}.corrupt-${randomBytes(4).toString("hex")}`;
      await copyFile(options.path, aside);
      deps.logger.warn({ aside }, "the undo journal was damaged; what could be read of it counts");
    }
    const journal = new UndoJournal(options.path, pending, deps);
    await journal.#rewrite();
    return journal;
  }

  /** What can be taken back, with the ids for `undo`, oldest first. */
  get pending(): readonly (readonly [id: number, step: Step])[] {
    return [...this.#pending];
  }

  /**
   * Makes a change that `step` can take back. When `change` fails it must have changed nothing, and nothing is undone:
   * what stood in its way may be somebody else's.
   *
   * @returns the id for `undo`
   */
  perform(step: Step, change: () => Promise<void>): Promise<number> {
    return this.#inTurn(async () => {
      const id = this.#nextId++;
      await this.#append({ do: id, undo: step });
      this.#pending.set(id, step);
      try {
        await change();
      } catch (failure) {
        await this.#settle(id);
        throw failure;
      }
      return id;
    });
  }

  /** Takes one change back; one that is settled already is no error. */
  undo(id: number): Promise<void> {
    return this.#inTurn(() => this.#undo(id));
  }

  /**
   * Takes back everything, or what `isMeant`, newest first.
   * @returns how many steps could not be taken back; they stay in the journal
   */
  undoAll(isMeant: (step: Step) => boolean = () => true): Promise<number> {
    return this.#inTurn(async () => {
      let failures = 0;
      for (const [id, step] of this.pending.filter(([, step]) => isMeant(step)).reverse()) {
        try {
          await this.#undo(id);
        } catch (failure) {
          failures++;
          this.#deps.logger.error({ step, failure }, "a change to the host could not be undone");
        }
      }
      await this.#rewrite();
      return failures;
    });
  }

  /** After what was asked for before. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#closeFile());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #undo(id: number): Promise<void> {
    const step = this.#pending.get(id);
    if (step === undefined) return;
    await this.#deps.undo(step);
    await this.#settle(id);
  }

  async #closeFile(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #settle(id: number): Promise<void> {
    await this.#append({ undone: id });
    this.#pending.delete(id);
    if (this.#linesWritten > MAX_LINES && this.#linesWritten > 2 * this.#pending.size) await this.#rewrite();
  }

  async #append(record: z.input<typeof recordSchema>): Promise<void> {
    if (this.#file === undefined) throw new Error("the undo journal is closed");
    await this.#file.appendFile(`${JSON.stringify(record)}\n`);
    await this.#file.datasync();
    this.#linesWritten++;
  }

  /** Leaves one line for each pending step in the file, and nothing else: no torn last line, no damage, no history. */
  async #rewrite(): Promise<void> {
    await this.#closeFile();
    const lines = [...this.#pending].map(([id, step]) => `${JSON.stringify({ do: id, undo: step })}\n`);
    await writeFileAtomic(this.#path, lines.join(""), { mode: 0o600 });
    this.#file = await open(this.#path, "a", 0o600);
    this.#linesWritten = lines.length;
  }
}

/** Reads only: also while another process has it open. What it cannot understand is passed over. */
export async function readJournal<Step>(
  options: UndoJournalOptions<Step>,
): Promise<{ pending: Map<number, Step>; isDamaged: boolean }> {
  const pending = new Map<number, Step>();
  let isDamaged = false;
  // What follows the last line end was being written when the process died: its change was never made.
  const lines = (await readIfThere(options.path)).split("\n").slice(0, -1);
  for (const line of lines) {
    const record = recordSchema.safeParse(parseJson(line));
    if (!record.success) {
      isDamaged = true;
    } else if ("undone" in record.data) {
      pending.delete(record.data.undone);
    } else {
      const step = options.stepSchema.safeParse(record.data.undo);
      if (step.success) pending.set(record.data.do, step.data);
      else isDamaged = true;
    }
  }
  return { pending, isDamaged };
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return "";
    throw failure;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
