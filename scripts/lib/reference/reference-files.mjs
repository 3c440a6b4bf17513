import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../project.mjs";
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
  const manifest = manifestWith(pages.map(([path]) => path));
  return new Map([["docs/cli.md", commandsAsMarkdown(tree)], ["package.json", manifest], ...pages]);
}

/** A global installation puts those of its `man` where `man` looks for them; npm wants them one by one. */
function manifestWith(man) {
  const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  return `${JSON.stringify({ ...manifest, man: man.toSorted() }, null, 2)}\n`;
}
