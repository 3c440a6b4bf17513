import type { Socket } from "node:net";
import { MeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";
import { type Dial, openTcp, type SocketTarget } from "../host/tcp.ts";
import type { HttpProxy } from "./http-proxy.ts";

const MAX_ANSWER_BYTES = 16 * 1024;
const ANSWER_LIMIT_MS = 10_000;
const END_OF_ANSWER = "\r\n\r\n";

/** Sockets that go through `proxy` by HTTP's CONNECT (RFC 9110 §9.3.6), where it is not bypassed. */
export function proxySocket(direct: Dial, proxy: HttpProxy): Dial {
  return (target, signal) =>
    proxy.bypasses(target) ? direct(target, signal) : openTunnel(direct, proxy, target, signal);
}

/** @throws MeshError `proxy-failed` */
async function openTunnel(direct: Dial, proxy: HttpProxy, target: SocketTarget, signal: AbortSignal): Promise<Socket> {
  const where = authority(proxy);
  let socket: Socket;
  try {
    socket = await openTcp(direct, { host: proxy.host, port: proxy.port }, signal);
  } catch (cause) {
    if (signal.aborted) throw cause;
    const detail = cause instanceof AggregateError ? cause.errors[0] : cause;
    throw new MeshError("proxy-failed", `cannot reach the HTTP proxy ${where}: ${messageOf(detail)}`, { cause });
  }
  try {
    socket.write(connectRequest(proxy, target));
    const { status, reason } = await readAnswer(socket, signal);
    if (status < 200 || status > 299) {
      const why = status === 407 ? "it wants other credentials" : `it does not connect to ${authority(target)}`;
      throw new MeshError("proxy-failed", `the HTTP proxy ${where} answers ${status} (${reason}): ${why}`);
    }
    return socket;
  } catch (failure) {
    socket.destroy();
    if (signal.aborted || failure instanceof MeshError) throw failure;
    throw new MeshError("proxy-failed", `the HTTP proxy ${where} failed: ${messageOf(failure)}`, { cause: failure });
  }
}

function connectRequest(proxy: HttpProxy, target: SocketTarget): string {
  const lines = [
    `CONNECT ${authority(target)} HTTP/1.1`,
    `Host: ${authority(target)}`,
    `User-Agent: mesh/${softwareVersion()}`,
  ];
  if (proxy.authorization !== null) lines.push(`Proxy-Authorization: ${proxy.authorization}`);
  return lines.join("\r\n") + END_OF_ANSWER;
}

/** The head of the answer; whatever comes behind it is left in the socket, which is paused. */
function readAnswer(socket: Socket, signal: AbortSignal): Promise<{ status: number; reason: string }> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const settle = () => {
      clearTimeout(timer);
      socket.off("readable", onReadable);
      socket.off("error", onFailure);
      socket.off("close", onClose);
      signal.removeEventListener("abort", onAbort);
    };
    const onFailure = (failure: unknown) => {
      settle();
      reject(failure);
    };
    const onClose = () => onFailure(new Error("it closed the connection"));
    const onAbort = () => onFailure(signal.reason);
    const timer = setTimeout(() => onFailure(new Error("it does not answer")), ANSWER_LIMIT_MS);
    const onReadable = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf(END_OF_ANSWER);
        if (end < 0) {
          if (head.length > MAX_ANSWER_BYTES) onFailure(new Error("its answer is far too long"));
          continue;
        }
        const match = /^HTTP\/1\.[01] (\d{3})(?: ([\x20-\x7e]{0,100}))?/.exec(head.toString("latin1", 0, end));
        if (match === null) {
          onFailure(new Error("its answer is no HTTP"));
          return;
        }
        settle();
        const rest = head.subarray(end + END_OF_ANSWER.length);
        if (rest.length > 0) socket.unshift(rest);
        resolve({ status: Number(match[1]), reason: match[2] || "no reason" });
        return;
      }
    };
    socket.on("readable", onReadable);
    socket.once("error", onFailure);
    socket.once("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function authority({ host, port }: SocketTarget): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
