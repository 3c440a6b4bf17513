import type { Answer } from "dns-packet";

/** What a record says, as `dig` prints it, where it has such a form; else as JSON or hex (RFC 3597 §5). */
export function recordText(record: Exclude<Answer, { type: "OPT" }>): string {
  const { data } = record;
  if (typeof data === "string") return data;
  switch (record.type) {
    case "TXT":
      return [record.data]
        .flat()
        .map((part) => JSON.stringify(Buffer.from(part).toString()))
        .join(" ");
    case "SRV":
      return `${record.data.priority ?? 0} ${record.data.weight ?? 0} ${record.data.port} ${record.data.target}`;
    case "MX":
      return `${record.data.preference ?? 0} ${record.data.exchange}`;
    case "SOA": {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return `${mname} ${rname} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case "HINFO":
      return `${JSON.stringify(record.data.cpu)} ${JSON.stringify(record.data.os)}`;
    default:
      return Buffer.isBuffer(data) ? `\\# ${data.length} ${data.toString("hex")}` : JSON.stringify(data);
  }
}
