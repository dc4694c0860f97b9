import { HTTPException } from "hono/http-exception";
import { type ErrorCode, FedKimError } from "../formats/errors.ts";

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
  too_large: 413,
  range: 416,
  rate_limited: 429,
  no_endpoint: 404,
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
    detail: known ? error.message : "The aggregator met a defect of its own; its log says more.",
    ...(known && error.details.reason !== undefined ? { reason: error.details.reason } : {}),
  };
}

/** The error behind a problem document that the other side sent. */
export function fromProblem(problem: Partial<Problem>, status: number): FedKimError {
  return new FedKimError(
    problem.code ?? "NetworkError",
    problem.detail ?? `The aggregator answered ${status}.`,
    problem.reason === undefined ? {} : { reason: problem.reason },
  );
}

/** The HTTP library's own refusals: JSON that cannot be read, or another content type. */
function malformed(error: HTTPException): FedKimError {
  return new FedKimError("FormatError", "The request cannot be read.", {
    found: error.message || `status ${error.status}`,
    needed: "what /openapi.json describes",
  });
}
