const SHORT_CHARS = 63;

/**
 * What somebody sent, as an error message may repeat it: in quotes, shortened, and without anything that moves a terminal's
 * cursor or turns its text around.
 */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, SHORT_CHARS)).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escapeUnits);
}

function escapeUnits(character: string): string {
  const units = character.split("");
  return units.map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
