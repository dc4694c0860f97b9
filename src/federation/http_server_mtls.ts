import { type Http2Bindings, type HttpBindings, serve } from "@hono/node-server";
import { createServer, type Server } from "node:https";
import type { HttpServer, ServerOptions } from "./http_server.ts";
import { serverUrl } from "./http_server.ts";
import { inTraceOf } from "./telemetry.ts";

/** How long the head of a request, and all of it, may take to arrive, milliseconds. */
const HEADERS_MS = 20_000;
const REQUEST_MS = 120_000;

/** Certificate, key and the authorities of clients, PEM. */
export interface MutualTls {
  /** Certificate chain. */
  readonly cert: string;
  /** Private key. */
  readonly key: string;
  /** Authorities of client certificates. */
  readonly clientCa: string;
}

/**
 * A server that refuses clients without a certificate of `clientCa` in the TLS handshake. It runs on node:https because
 * Deno's own server cannot ask for client certificates; HTTP/1.1 only.
 * @param tls see {@link MutualTls}
 * @param graceMs how long requests in progress may take to end at a shutdown, milliseconds
 */
export function listenMutualTls(
  { hostname, port, handler }: ServerOptions,
  tls: MutualTls,
  graceMs: number,
): Promise<HttpServer> {
  return new Promise((resolve, reject) => {
    const server = serve({
      fetch: (request: Request, { incoming }: HttpBindings | Http2Bindings) => {
        const address = incoming.socket.remoteAddress;
        const info = address === undefined ? {} : { remoteAddr: { hostname: address } };
        return inTraceOf(request.headers.get("traceparent"), () => handler(request, info));
      },
      hostname,
      port,
      createServer,
      // Replaced globals would make this process's other servers, on Deno.serve, refuse every answer.
      overrideGlobalObjects: false,
      serverOptions: {
        cert: tls.cert,
        key: tls.key,
        ca: tls.clientCa,
        requestCert: true,
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        rejectUnauthorized: true,
      },
    }, (address) => {
      server.removeListener("error", reject);
      resolve({
        url: serverUrl("https", address.address, address.port),
        shutdown: () => close(server, graceMs),
      });
    }) as Server;
    server.once("error", reject);
  });
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
