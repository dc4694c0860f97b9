/** Bytes as a store keeps them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Content of an entry as it is written: bytes, or pieces that follow each other, so that nobody has to join them. */
export type Body = Uint8Array | readonly Uint8Array[];

/**
 * Proof that its holder may write: the token of a lease grows with every new holder, and a write with an older token is
 * refused by the store itself (Kleppmann 2017, Designing Data-Intensive Applications, section 8.3, fencing tokens).
 */
export interface Fence {
  /** Name of the lease. */
  readonly lease: string;
  /** Who holds it. */
  readonly owner: string;
  /** Larger than every token given out before for this lease. */
  readonly token: number;
}

/** An entry of a log. */
export interface LogEntry {
  /** Position in its stream, from 1; never given twice, not even after trimming. */
  readonly sequence: number;
  /** The content. */
  readonly body: Bytes;
}

/**
 * What a write that was acknowledged survives: `power`, the loss of power too; `process`, the end of this process at any
 * point, while the last ones before a loss of power may be lost. No later write survives what an earlier one does not.
 */
export type Durability = "power" | "process";

/** A unit of work that one of several replicas takes. */
export interface Job {
  /** Queue that it belongs to. */
  readonly queue: string;
  /** Its name in the queue. */
  readonly key: string;
  /** What to do. */
  readonly payload: Bytes;
  /** Number of this claim; an answer to an older claim is refused. */
  readonly claim: number;
}

/**
 * Everything durable of an aggregator: documents, logs, leases, once-only keys and jobs. Two implementations fulfil one
 * contract test suite: SQLite for one process, PostgreSQL for several replicas. Every method is one transaction: it
 * happens as a whole or not at all, and is durable when its promise resolves, as {@link Durability} says where it is a
 * parameter, and but for once-only keys, which may survive the process alone. Names hold no NUL character.
 *
 * Methods that take a fence throw FedKimError `StoreError`, reason `fenced`, where another owner has taken the lease.
 */
export interface Store {
  /** The document, or undefined. */
  get(space: string, key: string): Promise<Bytes | undefined>;

  /** Writes a document, replacing an older one. */
  put(space: string, key: string, value: Uint8Array, fence?: Fence): Promise<void>;

  /**
   * Reads and writes a document with nobody in between.
   * @param change gets the old value and gives the new one, or undefined to leave everything as it is; what it throws
   * leaves the document unchanged and is thrown on
   * @returns the value that the document has afterwards
   */
  update(
    space: string,
    key: string,
    change: (old: Bytes | undefined) => Uint8Array | undefined,
    fence?: Fence,
  ): Promise<Bytes | undefined>;

  /** Removes a document; one that does not exist is removed already. */
  delete(space: string, key: string, fence?: Fence): Promise<void>;

  /** Keys of a space, sorted by UTF-16 code unit. */
  keys(space: string): Promise<string[]>;

  /**
   * Appends entries to a stream, all or none, by default for `power`. Large ones that were appended for `process` may be
   * lost with the power one by one, but none of them once a later append to the stream was for `power`.
   * @param bodies must not change before the promise resolves
   * @returns the sequence number of the last one
   */
  append(
    stream: string,
    bodies: readonly Body[],
    fence?: Fence,
    durability?: Durability,
  ): Promise<number>;

  /**
   * Appends entries to a stream whose newest entry has the number `newest`, so that they can depend on it.
   * @returns the sequence number of the last one, or undefined where somebody else has appended meanwhile
   */
  appendAfter(
    stream: string,
    newest: number,
    bodies: readonly Body[],
    fence?: Fence,
  ): Promise<number | undefined>;

  /**
   * Up to `limit` entries after a sequence number, in order.
   * @throws FedKimError `StoreError`, reason `damaged`, where one is not what was written
   */
  read(stream: string, after: number, limit: number): Promise<LogEntry[]>;

  /** Sequence number of the newest entry ever appended to a stream; 0 for none. */
  newest(stream: string): Promise<number>;

  /** Drops entries up to and including a sequence number. */
  trim(stream: string, through: number, fence?: Fence): Promise<void>;

  /** Forgets a stream as a whole, its numbers too: for streams that are never written again. */
  forget(stream: string, fence?: Fence): Promise<void>;

  /**
   * Waits until a stream has an entry after a sequence number, by any replica's hand.
   * @returns false at the time-out or when the signal aborts
   */
  wait(stream: string, after: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;

  /** Claims a key for a time: true for the first caller among all replicas, false for the others. */
  once(space: string, key: string, ttlMs: number): Promise<boolean>;

  /** Takes a lease that is free, expired, or held by the same owner already; undefined where another one holds it. */
  acquire(lease: string, owner: string, ttlMs: number): Promise<Fence | undefined>;

  /** Prolongs a lease that is still this fence's. @returns false where it is lost */
  renew(fence: Fence, ttlMs: number): Promise<boolean>;

  /** Gives a lease back, where it is still this fence's. */
  release(fence: Fence): Promise<void>;

  /** Adds a job; the same key again leaves the first one. */
  enqueue(queue: string, key: string, payload: Uint8Array): Promise<void>;

  /** Takes a job that nobody works on, or whose worker let its time pass. */
  claim(queue: string, ttlMs: number): Promise<Job | undefined>;

  /** Hands in a result. @returns false where the claim was lost to another worker; nothing is stored then */
  finish(job: Job, result: Uint8Array): Promise<boolean>;

  /** Results of a queue by key, in the order of keys; jobs without result are left out. */
  results(queue: string): Promise<{ readonly key: string; readonly result: Bytes }[]>;

  /** Removes a queue with all jobs and results. */
  drop(queue: string): Promise<void>;

  /**
   * Removes what a process that was killed has left behind and no entry refers to. For the leader, before it writes.
   */
  tidy(fence?: Fence): Promise<void>;

  /** Ends waiting and closes connections. */
  close(): Promise<void>;
}
