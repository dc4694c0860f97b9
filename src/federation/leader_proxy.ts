import { FedKimError } from "../formats/errors.ts";
import { problemResponse } from "./problem.ts";
import type { Store } from "./store/mod.ts";
import type { TlsFiles } from "./tls.ts";
import { outboundClient } from "./tls_client.ts";

/** Marks a request that a replica has passed on, so that it is never passed on twice. */
const PASSED_ON = "x-fedkim-passed-on";

/**
 * Passes requests on to the replica that leads. The request's own signature is checked there; health is this process's
 * own.
 */
export class LeaderProxy {
  #address: string | undefined;
  #pending = new AbortController();

  /**
   * @param store which must answer for this replica to be ready
   * @param http how other replicas are reached; the platform's own way by default
   */
  constructor(private readonly store: Pick<Store, "newest">, private readonly http?: Deno.HttpClient) {}

  /** Passes requests on to another address from now on; those that wait for an older leader are given back. */
  follow(address: string | undefined): void {
    if (address === this.#address) return;
    this.#address = address;
    this.#pending.abort();
    this.#pending = new AbortController();
  }

  /** Gives every request back. */
  close(): void {
    this.follow(undefined);
    this.#pending.abort();
    this.http?.close();
  }

  /** The leader's answer, or a problem document that asks to come back. */
  async fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/healthz") return Response.json({ ok: true });
    try {
      if (pathname === "/readyz") {
        await this.store.newest("ready");
        return Response.json({ ready: true });
      }
      if (this.#address === undefined || request.headers.has(PASSED_ON)) throw nobodyLeads();
      const headers = new Headers(request.headers);
      headers.set(PASSED_ON, "1");
      headers.delete("host");
      return await fetch(this.#address.replace(/\/+$/, "") + pathname + search, {
        method: request.method,
        headers,
        body: request.body,
        redirect: "manual",
        ...(this.http === undefined ? {} : { client: this.http }),
        signal: AbortSignal.any([this.#pending.signal, request.signal]),
      });
    } catch (error) {
      return problemResponse(error instanceof FedKimError ? error : nobodyLeads(), { "retry-after": "1" });
    }
  }
}

/**
 * How replicas call each other: by TLS, with the certificate that they serve where they ask for one themselves.
 * @param tls the replica's own TLS files
 * @throws FedKimError `ConfigError` for files that cannot be used
 */
export function replicaClient(tls: TlsFiles | undefined): Promise<Deno.HttpClient | undefined> {
  if (tls === undefined) return Promise.resolve(undefined);
  const own = tls.clientCa === undefined ? {} : { clientCert: tls.cert, clientKey: tls.key };
  return outboundClient({ caFile: tls.peerCa, ...own });
}

function nobodyLeads(): FedKimError {
  return new FedKimError("NetworkError", "No replica leads at the moment.", {
    reason: "no_leader",
    remedy: "send the same request again in a moment",
  });
}
