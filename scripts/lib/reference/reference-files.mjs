import { commandTree } from "./command-tree.mjs";
import { commandsAsMan } from "./man.mjs";
import { commandsAsMarkdown } from "./markdown.mjs";

/**
 * All that is written from the definitions of the commands.
 * @param {import("commander").Command} program
 * @returns {Map<string, string>} by the path within the project
 */
export function referenceFiles(program) {
  const tree = commandTree(program);
  const pages = [...commandsAsMan(tree, program.version())].map(([name, text]) => [`man/${name}`, text]);
  return new Map([["docs/cli.md", commandsAsMarkdown(tree)], ...pages]);
}
