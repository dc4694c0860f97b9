import { FedKimError } from "../../formats/errors.ts";
import { problemResponse } from "../problem.ts";

/**
 * The answer to a request for content-addressed bytes: whole, one range (RFC 9110, section 14), or nothing where the
 * caller has them. Several ranges at once, and one that ends before it begins, are answered with the whole, as the RFC
 * says; a range outside of the bytes with 416, a problem document of reason `range` and the length.
 */
export function artefactResponse(bytes: Uint8Array<ArrayBuffer>, hash: string, headers: Headers): Response {
  const etag = `"${hash}"`;
  const common = { etag, "accept-ranges": "bytes", "cache-control": "private, max-age=31536000, immutable" };
  const known = headers.get("if-none-match")?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known?.some((tag) => tag === etag || tag === "*")) {
    return new Response(null, { status: 304, headers: common });
  }
  const type = { ...common, "content-type": "application/octet-stream" };
  const condition = headers.get("if-range");
  const range = condition === null || condition === etag ? headers.get("range") : null;
  const match = range === null ? null : /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.trim());
  const backwards = match !== null && match[1] !== "" && match[2] !== "" &&
    Number(match[2]) < Number(match[1]);
  if (match === null || backwards || (match[1] === "" && match[2] === "")) {
    return new Response(bodyOf(bytes), { headers: { ...type, "content-length": `${bytes.length}` } });
  }
  const [first, last] = match[1] === ""
    ? [Math.max(0, bytes.length - Number(match[2])), bytes.length - 1]
    : [Number(match[1]), Math.min(match[2] === "" ? Infinity : Number(match[2]), bytes.length - 1)];
  if (first > last) {
    return problemResponse(
      new FedKimError("FormatError", "The range lies outside of the artefact.", {
        reason: "range",
        found: `bytes ${match[1]}-${match[2]}`,
        needed: `bytes within 0-${bytes.length - 1}`,
      }),
      { "content-range": `bytes */${bytes.length}` },
    );
  }
  const part = bytes.subarray(first, last + 1);
  return new Response(bodyOf(part), {
    status: 206,
    headers: {
      ...type,
      "content-range": `bytes ${first}-${last}/${bytes.length}`,
      "content-length": `${part.length}`,
    },
  });
}

/** Bytes of an answer that are handed over at a time. */
const PIECE_BYTES = 65_536;

/** Large bytes piece by piece as they leave: an answer made of an array would hold a copy for every site that fetches. */
function bodyOf(bytes: Uint8Array<ArrayBuffer>): BodyInit {
  if (bytes.length <= PIECE_BYTES) return bytes;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at += PIECE_BYTES));
      if (at >= bytes.length) controller.close();
    },
  });
}
