// What the definitions of the commands say, as plain data: the manual is written from nothing else.

/**
 * @typedef {{flags: string, description: string}} OptionReference
 * @typedef {{
 *   name: string, usage: string, group: string, description: string,
 *   options: OptionReference[], commands: CommandReference[],
 * }} CommandReference `name` with those of the commands above it: `mesh peer rename`
 */

/**
 * @param {import("commander").Command} command
 * @param {string} [above]
 * @returns {CommandReference}
 */
export function commandTree(command, above = "") {
  const name = above === "" ? command.name() : `${above} ${command.name()}`;
  const help = command.createHelp();
  return {
    name,
    usage: `${name} ${command.usage()}`,
    group: command.helpGroup().replace(/:$/, ""),
    description: command.description(),
    options: help
      .visibleOptions(command)
      .filter(({ long }) => above === "" || long !== "--help")
      .map((option) => ({ flags: option.flags, description: option.description })),
    commands: help.visibleCommands(command).map((below) => commandTree(below, name)),
  };
}

/** Commands by their headings, in order. @param {CommandReference[]} commands @returns {Map<string, CommandReference[]>} */
export function inGroups(commands) {
  const groups = new Map();
  for (const command of commands) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
  return groups;
}
