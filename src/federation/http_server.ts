import { FedKimError } from "../formats/errors.ts";
import type { ConnectionInfo } from "./api/mod.ts";
import { listenMutualTls } from "./http_server_mtls.ts";
import { problemResponse } from "./problem.ts";
import { readTls, type TlsFiles } from "./tls.ts";

/** How long requests in progress may take to end at a shutdown, milliseconds. */
const GRACE_MS = 5_000;
/** What the last bytes of an answer are given to leave after Deno calls it delivered, milliseconds. */
const FLUSH_MS = 100;

/** Says that the connection ends with the answer. */
const CLOSE = { connection: "close" };

/** Answers requests. */
export type RequestHandler = (request: Request, info: ConnectionInfo) => Response | Promise<Response>;

/** Where and how to listen. */
export interface ServerOptions {
  /** Address to bind to. */
  readonly hostname: string;
  /** Port; 0 takes a free one. */
  readonly port: number;
  /** Certificate and key; plain HTTP without. */
  readonly tls?: TlsFiles | undefined;
  /** Answers requests. */
  readonly handler: RequestHandler;
}

/** An open server. */
export interface HttpServer {
  /** Base URL that it listens at. */
  readonly url: string;
  /** Takes no new request, lets those in progress end for a few seconds, then closes all connections. */
  shutdown(): Promise<void>;
}

/**
 * Opens an HTTP, HTTPS or, with `tls.clientCa`, mutual-TLS server.
 * @throws FedKimError `PortInUse`, or `ConfigError` for TLS files that cannot be used
 */
export async function openServer(options: ServerOptions): Promise<HttpServer> {
  const { hostname, port } = options;
  const tls = options.tls === undefined ? undefined : await readTls(options.tls);
  try {
    const { clientCa } = tls ?? {};
    return tls === undefined || clientCa === undefined
      ? listen(options, tls)
      : await listenMutualTls(options, { ...tls, clientCa }, GRACE_MS);
  } catch (cause) {
    if (!isAddressInUse(cause)) throw cause;
    throw new FedKimError("PortInUse", `The port ${port} is taken on ${hostname}.`, {
      remedy: "stop the other program, or choose another port with --port (0 takes a free one)",
      cause,
    });
  }
}

function listen(
  { hostname, port, handler }: ServerOptions,
  tls: { readonly cert: string; readonly key: string } | undefined,
): HttpServer {
  const stop = new AbortController();
  const underWay = new Set<Promise<void>>();
  let closing = false;
  const answer: Deno.ServeHandler<Deno.NetAddr> = (request, info) => {
    // Clients come again.
    if (closing) {
      return problemResponse(new FedKimError("NetworkError", "The server is shutting down."), CLOSE);
    }
    const delivered = info.completed.catch(() => {}).then(() => void underWay.delete(delivered));
    underWay.add(delivered);
    return handler(request, info);
  };
  const common = { hostname, port, signal: stop.signal, onListen: () => {} };
  const server = tls === undefined
    ? Deno.serve(common, answer)
    : Deno.serve({ ...common, cert: tls.cert, key: tls.key }, answer);
  const { addr } = server;
  return {
    url: serverUrl(tls === undefined ? "http" : "https", addr.hostname, addr.port),
    async shutdown() {
      // Not `server.shutdown()`: it waits for connections that never end, and Deno cannot close them any more then.
      closing = true;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, GRACE_MS));
      await Promise.race([Promise.all(underWay), patience]);
      clearTimeout(timer);
      await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
      stop.abort();
      await server.finished;
    },
  };
}

/** A base URL; an IPv6 address stands in brackets. */
export function serverUrl(scheme: "http" | "https", hostname: string, port: number): string {
  return `${scheme}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse ||
    (error instanceof Error && "code" in error && error.code === "EADDRINUSE");
}
