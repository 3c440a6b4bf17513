import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import type { ErrorCode } from "../../base/error-codes.ts";
import { MeshError } from "../../base/errors.ts";

/** A request's body: read when it is first asked for, and once. */
export class RequestBody {
  readonly #request: IncomingMessage;
  readonly #maxBytes: number;
  #bytes: Promise<Buffer> | undefined;

  constructor(request: IncomingMessage, maxBytes: number) {
    this.#request = request;
    this.#maxBytes = maxBytes;
  }

  /** Empty where there is none. @throws MeshError `too-large` */
  bytes(): Promise<Buffer> {
    this.#bytes ??= readBytes(this.#request, this.#maxBytes);
    return this.#bytes;
  }

  /**
   * As JSON, checked.
   * @throws MeshError `too-large`, `bad-request`, or a code of the field at fault (`bad-name`, `bad-key`, `bad-address`)
   */
  async json<Schema extends z.ZodType>(schema: Schema): Promise<z.output<Schema>> {
    const contentType = this.#request.headers["content-type"] ?? "";
    if (!/^application\/json\b/i.test(contentType)) {
      throw new MeshError("bad-request", "the request body must be application/json");
    }
    const bytes = await this.bytes();
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw new MeshError("bad-request", "the request body is not JSON");
    }
    return checkValue(value, schema);
  }
}

/** @throws MeshError as `RequestBody.json`. The message names the field and never repeats what was sent. */
export function checkValue<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.map(String).join(".");
  const what = issue.code === "unrecognized_keys" ? "unknown fields" : issue.message;
  const message = `${field === "" ? "request" : field}: ${what}`.slice(0, 300);
  throw new MeshError(FIELD_CODES.get(String(issue.path[0])) ?? "bad-request", message);
}

const FIELD_CODES = new Map<string, ErrorCode>([
  ["name", "bad-name"],
  ["cidr", "bad-name"],
  ["parent", "bad-name"],
  ["from", "bad-name"],
  ["to", "bad-name"],
  ["cidr4", "bad-cidr"],
  ["cidr6", "bad-cidr"],
  ["route", "bad-cidr"],
  ["tags", "bad-name"],
  ["machineKey", "bad-key"],
  ["wireguardKey", "bad-key"],
  ["ip4", "bad-address"],
]);

async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () => new MeshError("too-large", `the request body is larger than ${maxBytes} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
