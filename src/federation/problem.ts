import { HTTPException } from "hono/http-exception";
import { ERROR_EXIT_STATUS, type ErrorCode, FedKimError } from "../formats/errors.ts";

/** An RFC 9457 problem document; `code` is the stable error code. */
export interface Problem {
  /** Reference to the code's paragraph in `docs/errors.md`. */
  readonly type: string;
  /** The stable code. */
  readonly code: ErrorCode;
  /** HTTP status. */
  readonly status: number;
  /** One clear sentence. */
  readonly detail: string;
  /** A finer reason inside the code, stable too. */
  readonly reason?: string;
}

const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  ConfigError: 400,
  FormatError: 400,
  UnexpectedMessage: 409,
  ProtocolAbort: 409,
  BelowThreshold: 409,
  AuthenticationError: 401,
  PolicyRefused: 403,
  BudgetExceeded: 403,
  UnknownTask: 404,
  ArtefactGone: 404,
  LedgerError: 409,
  NetworkError: 503,
  StoreError: 503,
};

/** Reasons that have an HTTP status of their own. */
const REASON_STATUS: Readonly<Record<string, number>> = {
  role: 403,
  body_missing: 408,
  length_required: 411,
  content_type: 415,
  too_large: 413,
  range: 416,
  rate_limited: 429,
  no_endpoint: 404,
  wrong_method: 405,
};

/** Turns any error into a problem document; the text of unknown errors stays inside the process. */
export function toProblem(cause: unknown): Problem {
  const error = cause instanceof HTTPException ? malformed(cause) : cause;
  const known = error instanceof FedKimError;
  const code: ErrorCode = known ? error.code : "InternalError";
  return {
    type: `docs/errors.md#${code.toLowerCase()}`,
    code,
    status: (known && REASON_STATUS[error.details.reason ?? ""]) ||
      (cause instanceof HTTPException ? cause.status : HTTP_STATUS[code] ?? 500),
    detail: !known
      ? "The aggregator met a defect of its own; its log says more."
      : code === "StoreError"
      ? "The aggregator's store does not answer now; its log says more."
      : error.message,
    ...(known && error.details.reason !== undefined ? { reason: error.details.reason } : {}),
  };
}

/**
 * Any error as an HTTP answer.
 * @param headers further headers of the answer
 */
export function problemResponse(cause: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const problem = toProblem(cause);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

/** The error behind a problem document that the other side sent; what is none is an answer outside the protocol. */
export function fromProblem(problem: unknown, status: number): FedKimError {
  const { code, detail, reason } = (typeof problem === "object" && problem !== null ? problem : {}) as Record<
    string,
    unknown
  >;
  const known = typeof code === "string" && Object.hasOwn(ERROR_EXIT_STATUS, code);
  return new FedKimError(
    known ? code as ErrorCode : "NetworkError",
    typeof detail === "string" ? printable(detail) : `The aggregator answered ${status}.`,
    // A reason is a stable word of this program; anything else is no reason.
    typeof reason === "string" && /^[a-z_]{1,64}$/.test(reason) ? { reason } : {},
  );
}

/** Text of another machine on its way to a terminal: without control characters, and not too long. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").slice(0, 2000);
}

/** The HTTP library's own refusals: JSON that cannot be read, or another content type. */
function malformed(error: HTTPException): FedKimError {
  return new FedKimError("FormatError", "The request cannot be read.", {
    found: error.message || `status ${error.status}`,
    needed: "what /openapi.json describes",
  });
}
