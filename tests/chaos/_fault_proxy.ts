/** A request on its way to the aggregator. */
export interface Seen {
  readonly path: string;
  /** What follows the path, with its question mark. */
  readonly query: string;
  readonly site: string;
  readonly body: Uint8Array;
}

/** What the network does to one request, or to its answer. */
export type Fault =
  | "none"
  /** It arrives later. */
  | "delay"
  /** The connection breaks before anything of it arrives. */
  | "lost_request"
  /** It arrives and is answered; the connection breaks before the answer. */
  | "lost_answer"
  /** It arrives twice, the second time after the first was answered. */
  | "duplicate"
  /** A request that was sent later overtakes it. */
  | "reorder"
  /** Half of it arrives, then nothing, and the aggregator never hears that the other end is gone. */
  | "half_open"
  /** Half of it arrives, then the connection ends. */
  | "truncated_request"
  /** Half of the answer arrives, then the connection ends. */
  | "truncated_answer";

/** Every fault but `none`. */
export const FAULTS: readonly Exclude<Fault, "none">[] = [
  "delay",
  "lost_request",
  "lost_answer",
  "duplicate",
  "reorder",
  "half_open",
  "truncated_request",
  "truncated_answer",
];

/** Longest delay of a request, milliseconds. */
const LATE_MS = 120;
const END_OF_HEAD = new TextEncoder().encode("\r\n\r\n");
const UNAVAILABLE = new TextEncoder().encode(
  "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
);

/** What a proxy does with requests. */
export interface FaultProxyOptions {
  /** Where requests go now; undefined while nobody listens. */
  readonly target: () => string | undefined;
  /** Called with each request, before anything of it is passed on. */
  readonly onSeen: (seen: Seen) => void | Promise<void>;
  /** Chooses the fault of a request. */
  readonly choose: (seen: Seen) => Fault;
  /** Waits while the network passes nothing on; asked before a request is, and before its answer. */
  readonly hold?: (seen: Seen) => Promise<void>;
}

/** A request that is being served. */
interface Serving {
  readonly site: string;
  readonly client: Deno.Conn;
  /** True where the aggregator shall not learn that the other end is gone. */
  abandoned: boolean;
}

/** A TCP proxy that breaks requests. It reads HTTP/1.1 as far as it must, to know where a request ends. */
export class FaultProxy {
  /** Status of each answer that the aggregator gave to a whole request. */
  readonly statuses: number[] = [];
  /** Status of each answer to a request that had been answered before. */
  readonly replays: number[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.Conn>();
  readonly #working = new Set<Promise<void>>();
  readonly #serving = new Set<Serving>();
  #overtaken: () => void = () => {};

  /** Listens on a free port. */
  constructor(private readonly options: FaultProxyOptions) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#working.add(this.#accept());
  }

  /** Base URL for clients. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#listener.close();
    this.#overtaken();
    for (const connection of this.#open) this.#end(connection);
    await Promise.all(this.#working);
  }

  /**
   * Breaks every connection of a site.
   * @param ends both of them, or the site's alone: the aggregator goes on as if somebody listened
   */
  sever(site: string, ends: "both" | "site"): void {
    for (const serving of this.#serving) {
      if (serving.site !== site) continue;
      serving.abandoned = ends === "site";
      this.#end(serving.client);
    }
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        this.#open.add(client);
        const work = this.#serve(client).catch(() => {}).finally(() => {
          this.#end(client);
          this.#working.delete(work);
        });
        this.#working.add(work);
      }
    } catch {
      // closed
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const request = await readRequest(client);
    if (request === undefined) return;
    const serving = { site: request.seen.site, client, abandoned: false };
    this.#serving.add(serving);
    try {
      await this.#pass(request, serving);
    } finally {
      this.#serving.delete(serving);
    }
  }

  async #pass({ seen, bytes }: Request, serving: Serving): Promise<void> {
    const { client } = serving;
    await this.options.onSeen(seen);
    await this.options.hold?.(seen);
    const fault = this.options.choose(seen);
    const target = this.options.target();
    if (target === undefined) return await writeAll(client, UNAVAILABLE);
    if (fault === "lost_request") return;
    if (fault === "delay") await later(LATE_MS);
    if (fault === "reorder") await this.#untilOvertaken();
    else this.#overtaken();
    if (fault === "half_open" || fault === "truncated_request") {
      const server = await this.#connect(target);
      await writeAll(server, bytes.subarray(0, bytes.length >> 1));
      // A half-open connection stays as it is until the end of the test.
      if (fault === "truncated_request") this.#end(server);
      return;
    }
    const answer = await this.#ask(target, bytes, serving);
    this.statuses.push(statusOf(answer));
    if (fault === "duplicate") this.replays.push(statusOf(await this.#ask(target, bytes, serving)));
    await this.options.hold?.(seen);
    if (fault === "lost_answer") return;
    await writeAll(client, fault === "truncated_answer" ? answer.subarray(0, answer.length >> 1) : answer);
  }

  /** A whole answer; the request says that the connection ends after it. */
  async #ask(target: string, request: Uint8Array, serving: Serving): Promise<Uint8Array> {
    const server = await this.#connect(target);
    // Whoever waits for a letter and goes away takes its request along.
    const leave = () => serving.abandoned || this.#end(server);
    const gone = serving.client.read(new Uint8Array(1)).then((n) => n === null && leave(), leave);
    void gone;
    try {
      await writeAll(server, request);
      return await readToEnd(server);
    } finally {
      this.#end(server);
    }
  }

  async #connect(target: string): Promise<Deno.Conn> {
    const { hostname, port } = new URL(target);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    this.#open.add(connection);
    return connection;
  }

  #untilOvertaken(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LATE_MS);
      this.#overtaken = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(connection: Deno.Conn): void {
    if (!this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // The other end was first.
    }
  }
}

/** A request as it was read. */
interface Request {
  readonly seen: Seen;
  readonly bytes: Uint8Array;
}

/** One request, which asks for the connection to end after its answer; undefined where the client went away. */
async function readRequest(client: Deno.Conn): Promise<Request | undefined> {
  let bytes = new Uint8Array();
  let bodyAt = -1;
  let length = 0;
  const buffer = new Uint8Array(65_536);
  while (bodyAt < 0 || bytes.length < bodyAt + length) {
    const read = await client.read(buffer);
    if (read === null) return undefined;
    bytes = concatenated(bytes, buffer.subarray(0, read));
    if (bodyAt >= 0) continue;
    const end = indexOf(bytes, END_OF_HEAD);
    if (end < 0) continue;
    bodyAt = end + END_OF_HEAD.length;
    length = Number(/^content-length: *(\d+)/im.exec(headOf(bytes, end))?.[1] ?? 0);
  }
  const head = headOf(bytes, bodyAt - END_OF_HEAD.length);
  const [, target] = head.split(" ", 2);
  const site = /keyid="([^"]+)"/.exec(head)?.[1] ?? "";
  const body = bytes.slice(bodyAt);
  const closing = new TextEncoder().encode(
    `${head.replace(/\r\nconnection:[^\r]*/i, "")}\r\nconnection: close\r\n\r\n`,
  );
  const { pathname: path, search: query } = new URL(target, "http://proxy");
  return {
    seen: { path, query, site, body },
    bytes: concatenated(closing, body),
  };
}

function headOf(bytes: Uint8Array, end: number): string {
  return new TextDecoder("latin1").decode(bytes.subarray(0, end));
}

function statusOf(answer: Uint8Array): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(headOf(answer, Math.min(16, answer.length)))?.[1] ?? NaN);
}

async function readToEnd(connection: Deno.Conn): Promise<Uint8Array> {
  return new Uint8Array(await new Response(connection.readable).arrayBuffer());
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

function indexOf(bytes: Uint8Array, pattern: Uint8Array): number {
  for (let at = 0; at + pattern.length <= bytes.length; at++) {
    if (pattern.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
