import { problem } from "./console.mjs";

const STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Runs `work` with a `defer` that registers what is to be undone afterwards, newest first: on success, on failure, and on a
 * signal, which ends the process with the signal's status.
 * @template T
 * @param {(defer: (undo: () => unknown) => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withCleanup(work) {
  const undos = [];
  let cleaning;
  const cleanUp = () => {
    cleaning ??= (async () => {
      for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
        try {
          await undo();
        } catch (error) {
          problem(`clean-up: ${error.message}`);
        }
      }
    })();
    return cleaning;
  };
  const onSignal = async (signal) => {
    await cleanUp();
    process.exit(STATUS[signal]);
  };
  const signals = Object.keys(STATUS);
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await work((undo) => {
      // What is made while the clean-up is under way would be left behind.
      if (cleaning !== undefined) void undo();
      else undos.push(undo);
    });
  } catch (error) {
    // The step that a signal cut short fails for that reason; the signal's own way out is under way.
    if (cleaning !== undefined) await new Promise(() => {});
    throw error;
  } finally {
    await cleanUp();
    for (const signal of signals) process.off(signal, onSignal);
  }
}
