import { createHash, timingSafeEqual } from "node:crypto";
import { FedKimError } from "../formats/errors.ts";
import { type HttpServer, openServer } from "./http_server.ts";
import type { MetricsConfig } from "./metrics_config.ts";

/** Fewest characters of a scraper's token. */
const MIN_TOKEN = 16;

/**
 * Opens the Prometheus endpoint, `GET /metrics`, on a port of its own.
 * @param config see {@link MetricsConfig}
 * @param render makes the page
 * @throws FedKimError `ConfigError` for a token file that cannot be read or is too short, `PortInUse`
 */
export async function serveMetrics(
  config: MetricsConfig,
  render: () => Promise<string>,
): Promise<HttpServer> {
  const { hostname, port, tokenFile } = config;
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile);
  return await openServer({
    hostname,
    port,
    handler: async (request) => {
      if (new URL(request.url).pathname !== "/metrics") return new Response("not found\n", { status: 404 });
      if (request.method !== "GET") return new Response("only GET\n", { status: 405 });
      if (token !== undefined && !hasToken(request, token)) {
        return new Response("needs the bearer token\n", {
          status: 401,
          headers: { "www-authenticate": "Bearer" },
        });
      }
      return new Response(await render(), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" },
      });
    },
  });
}

async function readToken(file: string): Promise<string> {
  let token: string;
  try {
    token = (await Deno.readTextFile(file)).trim();
  } catch (cause) {
    throw new FedKimError("ConfigError", "The token file of the metrics cannot be read.", {
      found: file,
      remedy: "correct metrics.tokenFile, or let this program's user read the file",
      cause,
    });
  }
  if (token.length >= MIN_TOKEN) return token;
  throw new FedKimError("ConfigError", "The token of the metrics is too short.", {
    found: `${token.length} characters in ${file}`,
    needed: `at least ${MIN_TOKEN} random ones`,
  });
}

/** Compares hashes, so that the time says nothing about the token. */
function hasToken(request: Request, token: string): boolean {
  const given = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}
