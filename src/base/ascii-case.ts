/** Lower case of the letters A to Z alone, as DNS compares names (RFC 4343). */
export function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
