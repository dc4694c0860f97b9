// One site's request to a server of this process, observed as the aggregator is; prints the traceparent that arrived.
// Arguments, for mutual TLS: certificate and key of the server, authority, certificate and key of the site.
import { generateIdentity } from "../../../src/secure_agg/mod.ts";
import { AggregatorClient } from "../../../src/federation/aggregator_client.ts";
import { openServer } from "../../../src/federation/http_server.ts";
import { withSpan } from "../../../src/federation/telemetry.ts";
import { observeAggregator } from "../../../src/federation/telemetry_aggregator.ts";
import { outboundClient } from "../../../src/federation/tls_client.ts";
import { TestDesk } from "./_test_desk.ts";

const [cert, key, ca, clientCert, clientKey] = Deno.args;
const desk = new TestDesk();
const observer = await observeAggregator({
  config: { metrics: { enabled: false, hostname: "127.0.0.1", port: 0 }, run: "", sites: ["a", "b", "c"] },
  desk,
  book: { store: { newest: () => Promise.resolve(undefined) } as never },
});
desk.move("aggregation", { round: 1, phase: "masked_input" });
const server = await openServer({
  hostname: "127.0.0.1",
  port: 0,
  tls: cert === undefined ? undefined : { cert, key, clientCa: ca },
  handler: observer.handler((request) => Response.json({ traceparent: request.headers.get("traceparent") })),
});
const http = await outboundClient(cert === undefined ? {} : { caFile: ca, clientCert, clientKey });
const url = server.url.replace("127.0.0.1", "localhost");
const site = new AggregatorClient(url, generateIdentity("a"), 1000, new AbortController().signal, http);
const answer = await withSpan("fedkim.train", {}, () => site.postJson("/v1/join", {}));
desk.move("injection");
http?.close();
await server.shutdown();
await observer.close();
console.log(JSON.stringify(answer));
