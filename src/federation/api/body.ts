import type { HonoRequest } from "hono";
import { FedKimError } from "../../formats/errors.ts";

/** How long a body may take to arrive, milliseconds. */
const BODY_MS = 60_000;

/**
 * Reads a request's body, which stays readable for what follows.
 * @param maxBytes largest length that the request may announce
 * @param patienceMs how long it may take to arrive, milliseconds
 * @throws FedKimError `FormatError` for a body without or with too large a length, `NetworkError` for one that does not
 * arrive
 */
export async function readBody(
  request: HonoRequest,
  maxBytes: number,
  patienceMs: number = BODY_MS,
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
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("it took too long")), patienceMs);
    });
    return new Uint8Array(await Promise.race([request.arrayBuffer(), late]));
  } catch (cause) {
    // Whoever goes away in the middle is no defect here.
    throw new FedKimError("NetworkError", "The request's body did not arrive.", {
      reason: "body_missing",
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}
