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
  const reader = request.raw.body.getReader();
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

/**
 * Reads exactly so many bytes, piece by piece: where a body is asked for as a whole, Deno's server collects it in memory
 * that it gives back late, hundreds of megabytes for a thousand uploads.
 */
async function wholeOf(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  length: number,
  onPiece: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Uint8Array(length);
  let at = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (at + value.length > length) throw new Error("it is longer than announced");
    body.set(value, at);
    at += value.length;
    onPiece();
  }
  if (at < length) throw new Error("it is shorter than announced");
  return body;
}
