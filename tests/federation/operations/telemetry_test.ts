import assert from "node:assert/strict";
import { root } from "../../_fedkim.ts";
import { watchSteps } from "../../../src/federation/telemetry_steps.ts";
import { spanName } from "../../../src/federation/telemetry.ts";
import { opensslTest, TestAuthority } from "./_certificates.ts";
import { TestDesk } from "./_test_desk.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
}

interface Export {
  readonly resourceSpans?: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

/** Runs the traced process with a collector beside it. */
async function traced(on: boolean, args: readonly string[] = []) {
  const spans: Span[] = [];
  const collector = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { resourceSpans = [] } = await request.json() as Export;
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    return Response.json({});
  });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "tests/federation/operations/_traced_process.ts", ...args],
    cwd: root,
    env: {
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      OTEL_DENO: String(on),
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
    },
  }).output();
  await collector.shutdown();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const { traceparent } = JSON.parse(new TextDecoder().decode(stdout)) as { traceparent: string | null };
  return { traceparent, spans };
}

/** Checks that the aggregator's span is in the site's trace. */
function assertOneTrace({ traceparent, spans }: Awaited<ReturnType<typeof traced>>): void {
  const named = (name: string) => {
    const span = spans.find((candidate) => candidate.name === name);
    assert.ok(span, `no span ${name} among ${spans.map((candidate) => candidate.name).join(", ")}`);
    return span;
  };
  const train = named("fedkim.train");
  const join = named("fedkim.join");
  const serve = named("fedkim.serve POST /v1/join");
  assert.equal(join.parentSpanId, train.spanId);
  assert.match(traceparent ?? "none", new RegExp(`^00-${join.traceId}-[0-9a-f]{16}-01$`));
  assert.equal(serve.traceId, join.traceId, "the aggregator continues the site's trace");
}

Deno.test("with OTEL_DENO a site's request carries traceparent and the aggregator continues its trace", async () => {
  const result = await traced(true);
  assertOneTrace(result);
  const named = (name: string) => result.spans.find((span) => span.name === name)!;
  const step = named("fedkim.step 1");
  assert.equal(step.parentSpanId, named("fedkim.stage aggregation").spanId);
  assert.equal(named("fedkim.phase masked_input").parentSpanId, step.spanId);
});

opensslTest("the trace goes on over mutual TLS too", async (dir) => {
  const authority = await TestAuthority.create(dir);
  const server = await authority.issue("server");
  const site = await authority.issue("site");
  assertOneTrace(
    await traced(true, [server.cert, server.key, authority.certFile, site.cert, site.key]),
  );
});

Deno.test("without OTEL_DENO no request carries traceparent and nothing is exported", async () => {
  assert.deepEqual(await traced(false), { traceparent: null, spans: [] });
});

Deno.test("watchSteps() ends every stretch that it began, inner ones first, and nothing twice", () => {
  const desk = new TestDesk();
  const heard: string[] = [];
  const stop = watchSteps(desk, ({ kind, name }) => {
    heard.push(`+${kind} ${name}`);
    return () => heard.push(`-${kind} ${name}`);
  });
  desk.move("aggregation");
  desk.move("aggregation", { round: 1, phase: "advertise_keys" });
  desk.move("aggregation", { round: 1, phase: "advertise_keys" });
  desk.move("aggregation", { round: 1, phase: "share_keys" });
  desk.move("aggregation", { round: 2, phase: "share_keys" });
  stop();
  desk.move("evaluation");
  assert.deepEqual(heard, [
    "+stage waiting for sites",
    "-stage waiting for sites",
    "+stage aggregation",
    "+step 1",
    "+phase advertise_keys",
    "-phase advertise_keys",
    "+phase share_keys",
    "-phase share_keys",
    "-step 1",
    "+step 2",
    "+phase share_keys",
    "-phase share_keys",
    "-step 2",
    "-stage aggregation",
  ]);
});

Deno.test("a span's name holds no hash, number or query of the path", () => {
  assert.equal(spanName("POST", "/v1/rounds/12/messages?head=3.ab"), "fedkim.upload");
  assert.equal(spanName("GET", "/v1/letters?after=7"), "fedkim.wait");
  assert.equal(spanName("GET", "/v1/artefacts/abcdef"), "fedkim.artefacts");
  assert.equal(spanName("POST", "/v1/join"), "fedkim.join");
  assert.equal(spanName("POST", "/v1/plan/answer"), "fedkim.plan.answer");
});
