import assert from "node:assert/strict";
import fc from "fast-check";
import { MetricRegistry } from "../../../src/federation/metrics.ts";
import { AggregatorMetrics, routeOf } from "../../../src/federation/metrics_aggregator.ts";
import { MetricsConfigSchema } from "../../../src/federation/metrics_config.ts";
import { serveMetrics } from "../../../src/federation/metrics_server.ts";
import { watchSteps } from "../../../src/federation/telemetry_steps.ts";
import type { FedKimError } from "../../../src/formats/errors.ts";
import { TestDesk } from "./_test_desk.ts";

/** One sample line of the exposition format 0.0.4. */
const SAMPLE = /^[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? \S+$/;

Deno.test("every line of the page is a comment or a sample, whatever a label holds", () => {
  fc.assert(fc.property(fc.array(fc.string()), fc.double(), (values, amount) => {
    const registry = new MetricRegistry();
    const counter = registry.counter("a_total", "text\nof two lines");
    const histogram = registry.histogram("b_seconds", "x", [1, 2]);
    for (const value of values) {
      counter.add(1, { label: value });
      histogram.observe(amount, { label: value });
    }
    for (const line of registry.render().trimEnd().split("\n")) {
      assert.ok(/^# (HELP|TYPE) [a-z_]+ ./.test(line) || SAMPLE.test(line), JSON.stringify(line));
    }
  }));
});

Deno.test("a histogram's buckets are cumulative and a counter never falls", () => {
  const registry = new MetricRegistry();
  const histogram = registry.histogram("h", "x", [1, 2]);
  for (const value of [0.5, 1, 1.5, 9, NaN]) histogram.observe(value);
  const counter = registry.counter("c", "x");
  counter.add(2);
  counter.add(-1);
  assert.deepEqual(registry.render().split("\n").filter((line) => !line.startsWith("#")), [
    'h_bucket{le="1"} 2',
    'h_bucket{le="2"} 3',
    'h_bucket{le="+Inf"} 4',
    "h_sum 12",
    "h_count 4",
    "c 2",
    "",
  ]);
  assert.throws(() => registry.gauge("c", "x"), TypeError);
});

Deno.test("strangers cannot make new series: a path that is no route is `other`", () => {
  assert.equal(routeOf("POST", "/v1/rounds/17/messages"), "POST /v1/rounds/{round}/messages");
  assert.equal(routeOf("GET", "/v1/artefacts/abc"), "GET /v1/artefacts/{hash}");
  assert.equal(routeOf("GET", "/healthz"), "GET /healthz");
  fc.assert(fc.property(fc.webPath(), (path) => {
    const route = routeOf("GET", `/x${path}`);
    assert.ok(route === "other", route);
  }));
});

Deno.test("the aggregator's page counts requests, uploads, phases, steps and dropouts, and names no site", async () => {
  const run = await Deno.makeTempDir();
  const lines = [
    { kind: "validation", round: 0 },
    { kind: "step", round: 1, sites: 3 },
    { kind: "aborted", round: 2, error: "" },
  ];
  await Deno.writeTextFile(`${run}/metrics.jsonl`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const desk = new TestDesk();
  const metrics = new AggregatorMetrics({
    status: () => desk.status(),
    joined: () => desk.mailboxes.size,
    probeStore: () => Promise.resolve(),
    run,
    sites: 4,
  });
  const stop = watchSteps(desk, metrics.onStretch);
  desk.move("aggregation", { round: 2, phase: "share_keys" });
  desk.move("aggregation", { round: 2, phase: "masked_input" });
  const handler = metrics.measured(() => Response.json({}, { status: 200 }));
  const upload = new Request("http://x/v1/rounds/2/messages?head=1.ab", {
    method: "POST",
    body: new Uint8Array(1234),
    headers: { "content-length": "1234" },
  });
  await handler(upload, {});
  await handler(new Request("http://x/etc/passwd"), {});
  const page = await metrics.render();
  const again = await metrics.render();
  stop();
  for (
    const line of [
      'fedkim_http_requests_total{route="POST /v1/rounds/{round}/messages",status="200"} 1',
      'fedkim_http_requests_total{route="other",status="200"} 1',
      "fedkim_upload_bytes_total 1234",
      'fedkim_phase_seconds_count{phase="share_keys"} 1',
      'fedkim_stage{stage="aggregation"} 1',
      "fedkim_step 2",
      "fedkim_sites_present 2",
      "fedkim_sites_joined 2",
      "fedkim_sites_expected 4",
      'fedkim_steps_total{outcome="summed"} 1',
      'fedkim_steps_total{outcome="aborted"} 1',
      "fedkim_dropouts_total 1",
    ]
  ) {
    assert.ok(page.includes(`${line}\n`), `${line} is not in\n${page}`);
    assert.ok(again.includes(`${line}\n`), "asking twice counts nothing twice");
  }
  assert.match(page, /^process_resident_memory_bytes \d+$/m);
  assert.match(page, /^fedkim_store_probe_seconds [\d.e-]+$/m);
  const labels = new Set([...page.matchAll(/([a-z_]+)="/g)].map((match) => match[1]));
  assert.deepEqual([...labels].sort(), ["le", "outcome", "phase", "route", "stage", "status"]);
  await Deno.remove(run, { recursive: true });
});

Deno.test("the endpoint answers only /metrics, and with a token file only to its bearer", async () => {
  const dir = await Deno.makeTempDir();
  const tokenFile = `${dir}/token`;
  await Deno.writeTextFile(tokenFile, "0123456789abcdef-token\n");
  const config = { enabled: true, hostname: "127.0.0.1", port: 0 };
  const ask = async (url: string, token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers });
    return { status: response.status, text: await response.text() };
  };
  const open = await serveMetrics(config, () => Promise.resolve("up 1\n"));
  assert.deepEqual(await ask(`${open.url}/metrics`), { status: 200, text: "up 1\n" });
  assert.equal((await ask(`${open.url}/v1/status`)).status, 404);
  await open.shutdown();
  const closed = await serveMetrics({ ...config, tokenFile }, () => Promise.resolve("up 1\n"));
  assert.equal((await ask(`${closed.url}/metrics`)).status, 401);
  assert.equal((await ask(`${closed.url}/metrics`, "0123456789abcdef-tokem")).status, 401);
  assert.equal((await ask(`${closed.url}/metrics`, "0123456789abcdef-token")).status, 200);
  await closed.shutdown();
  await Deno.writeTextFile(tokenFile, "short");
  for (const file of [tokenFile, `${dir}/none`]) {
    await assert.rejects(
      serveMetrics({ ...config, tokenFile: file }, () => Promise.resolve("")),
      (error: FedKimError) => error.code === "ConfigError",
    );
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the metrics are off by default, and leave this machine only with a token file", () => {
  assert.deepEqual(MetricsConfigSchema.parse({}), { enabled: false, hostname: "127.0.0.1", port: 9464 });
  for (const hostname of ["127.0.0.1", "::1", "localhost"]) {
    assert.ok(MetricsConfigSchema.safeParse({ enabled: true, hostname }).success);
  }
  for (const hostname of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org"]) {
    assert.ok(!MetricsConfigSchema.safeParse({ enabled: true, hostname }).success, hostname);
    assert.ok(MetricsConfigSchema.safeParse({ enabled: true, hostname, tokenFile: "t" }).success);
  }
});
