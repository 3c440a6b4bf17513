/** The bytes that a proof covers: a label of its own for each purpose, then the fields, each preceded by its length. */
export function transcript(label: string, fields: readonly string[]): Uint8Array {
  return Buffer.from([label, ...fields].map((field) => `${Buffer.byteLength(field)}:${field}`).join(","));
}
