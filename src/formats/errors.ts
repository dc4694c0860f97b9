/** Every stable error code of FedKIM and the process exit status it maps to; mirrored in `docs/errors.md`. */
export const ERROR_EXIT_STATUS = {
  /** A flag, configuration value or file path is wrong. */
  ConfigError: 2,
  /** A dataset folder is missing, malformed or does not match its manifest. */
  DatasetError: 3,
  /** A file in another format (npy, safetensors, tokenizer, JSON) is malformed. */
  FormatError: 4,
  /** A task name that no dataset or plan defines. */
  UnknownTask: 5,
  /** A listening port is taken. */
  PortInUse: 6,
  /** The other side cannot be reached or answered outside the protocol. */
  NetworkError: 7,
  /** An artefact that the aggregator no longer serves, because its step is over. */
  ArtefactGone: 9,
  /** A signature, identity or invite is not valid. */
  AuthenticationError: 8,
  /** A secure-aggregation session ended without a sum. */
  ProtocolAbort: 10,
  /** A message that is not legal in the present protocol state. */
  UnexpectedMessage: 11,
  /** Too few sites are left to unmask. */
  BelowThreshold: 12,
  /** The aggregator's database cannot be used, or another replica has taken its lease. */
  StoreError: 13,
  /** The privacy ledger refuses: the event would exceed the budget. */
  BudgetExceeded: 20,
  /** The site's policy does not allow the plan. */
  PolicyRefused: 21,
  /** An event that no accountant supports; never accounted as zero. */
  UnsupportedDpEvent: 22,
  /** The ledger is damaged, locked by another process or older than its countersigned head. */
  LedgerError: 23,
  /** The tensor backend asked for is not available or failed. */
  BackendError: 30,
  /** A model does not fit its configuration, adapter or memory. */
  ModelError: 31,
  /** Stopped by Ctrl-C or SIGTERM. */
  Interrupted: 130,
  /** A defect in FedKIM itself: please report it. */
  InternalError: 70,
} as const;

/** A stable error code: the same in the log line, the problem document, the exit status and `docs/errors.md`. */
export type ErrorCode = keyof typeof ERROR_EXIT_STATUS;

/** What an error says: what was being done, what was found, what is needed, and what to do. */
export interface ErrorDetails {
  /** What was found, with names of files, fields or peers; never a record's content or a secret. */
  readonly found?: string;
  /** What is needed instead. */
  readonly needed?: string;
  /** What the reader can do about it. */
  readonly remedy?: string;
  /** A finer reason inside the code, stable too, e.g. `split_view`. */
  readonly reason?: string;
  /** The error that caused this one. */
  readonly cause?: unknown;
}

/** The one error class that callers handle; folders subclass it only to narrow `code`. */
export class FedKimError extends Error {
  /** Name of the class, as in stack traces. */
  override readonly name: string = "FedKimError";
  /** The stable code. */
  readonly code: ErrorCode;
  /** The parts of the message, for machines. */
  readonly details: ErrorDetails;

  /**
   * Makes an error whose message appends what was found, what is needed and what to do.
   * @param code stable error code
   * @param summary one clear sentence, without found/needed/remedy, which are appended
   * @param details found, needed, remedy, reason and cause
   */
  constructor(code: ErrorCode, summary: string, details: ErrorDetails = {}) {
    const parts = [summary];
    if (details.found !== undefined) parts.push(`Found: ${details.found}.`);
    if (details.needed !== undefined) parts.push(`Needed: ${details.needed}.`);
    if (details.remedy !== undefined) parts.push(`What to do: ${details.remedy}.`);
    super(parts.join(" "), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.details = details;
  }

  /** The process exit status of this error. */
  get exitStatus(): number {
    return ERROR_EXIT_STATUS[this.code];
  }
}
