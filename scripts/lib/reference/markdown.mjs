import { inGroups } from "./command-tree.mjs";

/** `docs/cli.md`. @param {import("./command-tree.mjs").CommandReference} program */
export function commandsAsMarkdown(program) {
  const groups = [...inGroups(program.commands)];
  return [
    "# Commands",
    "",
    "Written by `npm run docs` from the definitions of the commands; `mesh COMMAND --help` says the same.",
    "",
    "Every command takes these, before or after its name:",
    "",
    ...optionRows(program.options),
    "",
    "Exit status: 0 done · 1 failed · 2 wrong usage · 3 no daemon is running · 4 not permitted · 5 no such thing · 6 already there or",
    "in conflict · 7 timed out. `docs/errors.md` lists the errors.",
    "",
    ...groups.flatMap(([group, commands]) => [`## ${group}`, "", ...commands.flatMap(commandSection)]),
  ]
    .join("\n")
    .replace(/\n+$/, "\n");
}

function commandSection(command) {
  const { name, description, options, commands } = command;
  const usages = commands.length === 0 || options.length > 0 ? [command.usage] : [];
  return [
    `### ${name}`,
    "",
    sentence(description),
    "",
    ...(usages.length > 0 ? ["```", ...usages, "```", ""] : []),
    ...(options.length > 0 ? [...optionRows(options), ""] : []),
    ...commands.flatMap((below) => [
      `#### ${below.name}`,
      "",
      sentence(below.description),
      "",
      "```",
      below.usage,
      "```",
      "",
      ...(below.options.length > 0 ? [...optionRows(below.options), ""] : []),
    ]),
  ];
}

function optionRows(options) {
  const rows = options.map(
    ({ flags, description }) => `| \`${flags.replaceAll("|", "\\|")}\` | ${prose(description)} |`,
  );
  return ["| | |", "|---|---|", ...rows];
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return prose(capital.endsWith(".") ? capital : `${capital}.`);
}

/** Placeholders are no tags, but where they stand as code anyway. */
function prose(text) {
  const parts = text.replaceAll("|", "\\|").split("`");
  return parts.map((part, i) => (i % 2 === 0 ? part.replaceAll("<", "&lt;") : part)).join("`");
}
