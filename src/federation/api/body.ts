import type { HonoRequest } from "hono";
import { FedKimError } from "../../formats/errors.ts";

/** How long a body may take to arrive, milliseconds. */
const BODY_MS = 60_000;

/**
 * Reads a request's body, which stays readable for what follows.
 * @param maxBytes largest length that the request may announce
 * @param patienceMs how long it may take to arrive, milliseconds
 * @param onPiece called as bytes come in
 * @throws FedKimError `FormatError` for a body without or with too large a length, `NetworkError` for one that does not
 * arrive
 */
export async function readBody(
  request: HonoRequest,
  maxBytes: number,
  patienceMs: number = BODY_MS,
  onPiece: () => void = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (request.raw.body === null) return new Uint8Array();
  const announced = request.header("content-length");
  if (announced === undefined) {
    throw new FedKimError("FormatError", "The request does not say how long its body is.", {
      reason: "length_required",
      needed: "a content-length header",
    });
  }
  if (!(Number(announced) <= maxBytes)) {
    throw new FedKimError("FormatError", "The request body is too large.", {
      reason: "too_large",
      found: `${announced.slice(0, 20)} bytes`,
      needed: `at most ${maxBytes} bytes`,
    });
  }
  const reader = bytesInPlace(request.raw.body) ?? pieceByPiece(request.raw.body);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("it took too long")), patienceMs);
    });
    const body = await Promise.race([wholeOf(reader, Number(announced), onPiece), late]);
    Object.assign(request.bodyCache, { arrayBuffer: Promise.resolve(body.buffer) });
    return body;
  } catch (cause) {
    reader.cancel().catch(() => {});
    // Whoever goes away in the middle is no defect here.
    throw new FedKimError("NetworkError", "The request's body did not arrive.", {
      reason: "body_missing",
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a body into memory that is there already. */
interface BodyReader {
  /** Reads more of the body into `memory` from `at` on; gives the memory back, and how many bytes came, 0 at the end. */
  read(
    memory: ArrayBuffer,
    at: number,
  ): Promise<{ readonly memory: ArrayBuffer; readonly bytes: number }>;
  /** Reads no more. */
  cancel(): Promise<void>;
}

/**
 * Reads exactly so many bytes into one array: where a body is asked for as a whole, Deno's server collects it in memory
 * that it gives back late, hundreds of megabytes for a thousand uploads.
 */
async function wholeOf(
  reader: BodyReader,
  length: number,
  onPiece: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  let memory = new ArrayBuffer(length);
  for (let at = 0; at < length;) {
    const read = await reader.read(memory, at);
    memory = read.memory;
    at += read.bytes;
    if (at > length) throw new Error("it is longer than announced");
    if (read.bytes === 0) throw new Error("it is shorter than announced");
    onPiece();
  }
  const more = await reader.read(new ArrayBuffer(1), 0);
  if (more.bytes > 0) throw new Error("it is longer than announced");
  return new Uint8Array(memory);
}

/** Bytes that the server writes where they belong; undefined for a body that it has got as a whole already. */
function bytesInPlace(body: ReadableStream<Uint8Array<ArrayBuffer>>): BodyReader | undefined {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    return undefined; // no stream of bytes: nothing is locked
  }
  return {
    async read(memory, at) {
      const { value, done } = await reader.read(new Uint8Array(memory, at));
      if (value === undefined) throw new Error("it was cancelled");
      return { memory: value.buffer, bytes: done ? 0 : value.length };
    },
    cancel: () => reader.cancel(),
  };
}

/** Bytes that come in pieces of the server's own. */
function pieceByPiece(body: ReadableStream<Uint8Array<ArrayBuffer>>): BodyReader {
  const reader = body.getReader();
  return {
    async read(memory, at) {
      const { value, done } = await reader.read();
      if (done) return { memory, bytes: 0 };
      if (at + value.length > memory.byteLength) return { memory, bytes: value.length };
      new Uint8Array(memory).set(value, at);
      return { memory, bytes: value.length };
    },
    cancel: () => reader.cancel(),
  };
}
