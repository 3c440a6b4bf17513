import { Background } from "../../scripts/lib/background.mjs";
import { insideNamespace } from "../../scripts/lib/netns.mjs";
import { run } from "../../scripts/lib/process.mjs";

/** Starts a program in a namespace; it ends with the namespace at the latest. */
export function startInside(namespace, command, args) {
  return new Background(command, ...insideNamespace(namespace, command, args));
}

/** Runs a program in a namespace to its end. @returns {ReturnType<typeof run>} */
export function runInside(namespace, command, args, options) {
  return run(...insideNamespace(namespace, command, args), options);
}
