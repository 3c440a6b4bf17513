import { inGroups } from "./command-tree.mjs";

/**
 * Manual pages in the macros of man(7): `mesh.1`, and one for each command.
 * @param {import("./command-tree.mjs").CommandReference} program
 * @param {string} version
 * @returns {Map<string, string>} by the file's name
 */
export function commandsAsMan(program, version) {
  const pages = new Map([["mesh.1", mainPage(program, version)]]);
  for (const command of program.commands) {
    pages.set(`${pageName(command)}.1`, commandPage(command, program, version));
  }
  return pages;
}

const EXIT_STATUS = [
  ["0", "done"],
  ["1", "failed"],
  ["2", "wrong usage"],
  ["3", "no daemon is running"],
  ["4", "not permitted"],
  ["5", "no such thing"],
  ["6", "already there, or in conflict"],
  ["7", "timed out"],
];

function mainPage(program, version) {
  const groups = [...inGroups(program.commands)];
  return page("mesh", version, [
    ...nameSection("mesh", program.description),
    ".SH SYNOPSIS",
    synopsis(program.usage),
    ".SH OPTIONS",
    ...program.options.flatMap(optionLines),
    ".SH COMMANDS",
    ...groups.flatMap(([group, commands]) => [
      `.SS ${escaped(group)}`,
      ...commands.flatMap((one) => [".TP", `.BR ${escaped(pageName(one))} (1)`, escaped(one.description)]),
    ]),
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(([status, meaning]) => [".TP", `.B ${status}`, meaning]),
    ".SH ENVIRONMENT",
    ...[
      ["MESH_HOME", "where state and sockets live, as --home"],
      ["MESH_NETWORK", "which joined network is meant, as --network"],
      ["MESH_TOKEN", "the token to join with, as --token"],
      ["NO_COLOR", "no colours, if set"],
    ].flatMap(([name, meaning]) => [".TP", `.B ${name}`, escaped(meaning)]),
    ".SH FILES",
    ...[
      ["/var/lib/mesh", "keys and state"],
      ["/run/mesh", "sockets"],
      ["/etc/mesh/peer.yaml, /etc/mesh/server.yaml", "configuration"],
    ].flatMap(([name, meaning]) => [".TP", `.I ${escaped(name)}`, meaning]),
  ]);
}

function commandPage(command, program, version) {
  const { commands, options, description } = command;
  const name = pageName(command);
  return page(name, version, [
    ...nameSection(name, description),
    ".SH SYNOPSIS",
    ...(commands.length === 0 || options.length > 0 ? [synopsis(command.usage)] : []),
    ...commands.flatMap((below) => [".br", synopsis(below.usage)]).slice(options.length > 0 ? 0 : 1),
    ...(options.length > 0 ? [".SH OPTIONS", ...options.flatMap(optionLines)] : []),
    ...(commands.length > 0 ? [".SH COMMANDS"] : []),
    ...commands.flatMap((below) => [
      `.SS ${escaped(below.name)}`,
      escaped(below.description),
      ...below.options.flatMap(optionLines),
    ]),
    ".SH OPTIONS OF ALL COMMANDS",
    ...program.options.filter(({ flags }) => flags !== "--version").flatMap(optionLines),
    ".SH SEE ALSO",
    ".BR mesh (1)",
  ]);
}

function page(name, version, lines) {
  const heading = `.TH ${name.toUpperCase()} 1 "" "mesh ${version}" "mesh"`;
  const written = ['.\\" Written by `npm run docs` from the definitions of the commands.', heading, ...lines];
  return `${written.join("\n")}\n`;
}

function nameSection(name, description) {
  return [".SH NAME", `${escaped(name)} \\- ${escaped(description)}`];
}

function synopsis(usage) {
  return `.B ${escaped(usage)}`;
}

function optionLines({ flags, description }) {
  return [".TP", `.B ${escaped(flags)}`, escaped(description)];
}

function pageName({ name }) {
  return name.replaceAll(" ", "-");
}

/** Hyphens stay hyphens, and no line is taken for a request (groff_char(7)). */
function escaped(text) {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^([.'])/gm, "\\&$1")
    .replaceAll("\n", " ");
}
