import assert from "node:assert/strict";
import { acceptInvite, encodeInvite } from "../../../src/federation/mod.ts";
import { HEADERS } from "../../../src/federation/request_auth.ts";
import { canonicalJson } from "../../../src/formats/canonical_json.ts";
import type { FedKimError } from "../../../src/formats/errors.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { signLabelled } from "../../../src/secure_agg/mod.ts";
import { type Answer, letterResponse } from "./_lying_aggregator.ts";
import { attack } from "./_step.ts";
import { inWorld, SITES, VICTIM, type World } from "./_world.ts";

/** Bytes of a text. */
const text = (value: string) => new TextEncoder().encode(value);
const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

/** Something that the aggregator answers, and the code that the site has to stop with. */
interface Case {
  readonly name: string;
  readonly code: string;
  readonly reason?: string;
  /** What the site does not get to: its answer to the plan. */
  readonly accepts?: boolean;
  readonly lie: (world: World) => void | Promise<void>;
}

const answerTo = (path: string, answer: Answer) => (world: World) => {
  world.aggregator.answer = (request) => request.path.startsWith(path) ? answer(request) : undefined;
};

const joined = (answer: () => Response) => answerTo("/v1/join", answer);
const lettered = (headers: Record<string, string>, body = "") =>
  answerTo("/v1/letters", () => new Response(body, { headers }));
const letter = (kind: string, body: Uint8Array) =>
  answerTo(
    "/v1/letters",
    () =>
      letterResponse({
        sequence: 1,
        kind: kind as "plan",
        round: kind === "plan" ? 0 : 1,
        body: new Uint8Array(body),
      }),
  );

/** Bytes without end. */
function endless(): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(2 ** 20).fill(0x20);
  return new ReadableStream({ pull: (controller) => controller.enqueue(piece) });
}

/** A few kilobytes that unfold into two hundred megabytes. */
async function bomb(): Promise<Uint8Array<ArrayBuffer>> {
  const zeros = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let i = 0; i < 200; i++) controller.enqueue(new Uint8Array(2 ** 20));
      controller.close();
    },
  });
  return new Uint8Array(await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
}

/** Anything as a plan, with the aggregator's good signature. */
function signed(world: World, plan: unknown): Uint8Array {
  const bytes = text(canonicalJson(plan));
  const signature = toHex(signLabelled(world.aggregator.identity, "fedkim/plan/1", bytes));
  return text(JSON.stringify({ plan, signature }));
}

const greet = (plan: (world: World) => unknown) => (world: World) => {
  world.aggregator.answer = (request) =>
    request.path === "/v1/letters"
      ? letterResponse({
        sequence: 1,
        kind: "plan",
        round: 0,
        body: new Uint8Array(signed(world, plan(world))),
      })
      : undefined;
};

/** The honest plan with an artefact of these bytes in place of its own. */
const artefact = (field: "baseWeights" | "textTable", bytes: () => Uint8Array) =>
  greet((world) => ({
    ...world.plan,
    model: { ...world.plan.model, [field]: world.aggregator.publish(bytes()) },
  }));

/** The honest plan, and then something in place of the first step's order. */
const order = (body: (world: World) => Uint8Array) => (world: World) => {
  world.aggregator.answer = () => undefined;
  world.aggregator.post(VICTIM, "round", 1, body(world));
};

const CASES: readonly Case[] = [
  { name: "nothing to a join", code: "FormatError", lie: joined(() => new Response("")) },
  { name: "null to a join", code: "FormatError", lie: joined(() => Response.json(null)) },
  {
    name: "half of a JSON text to a join",
    code: "FormatError",
    lie: joined(() => new Response('{"head":nul')),
  },
  { name: "a list to a join", code: "FormatError", lie: joined(() => Response.json([])) },
  { name: "a deep nest to a join", code: "FormatError", lie: joined(() => new Response(deep)) },
  {
    name: "a place that is no number",
    code: "FormatError",
    lie: joined(() => Response.json({ head: null, newest: "1e400" })),
  },
  {
    name: "a head of another form",
    code: "FormatError",
    lie: joined(() =>
      Response.json({ head: { site: VICTIM, sequence: {}, hash: [], signature: 7 }, newest: 0 })
    ),
  },
  {
    name: "a head that it has not signed",
    code: "AuthenticationError",
    lie: joined(() =>
      Response.json({
        head: { site: VICTIM, sequence: 0, hash: "0".repeat(64), signature: "0".repeat(128) },
        newest: 0,
      })
    ),
  },
  {
    name: "without end to a join",
    code: "FormatError",
    reason: "too_large",
    lie: joined(() => new Response(endless())),
  },
  { name: "a letter without headers", code: "FormatError", lie: lettered({}) },
  {
    name: "a letter of an unknown kind",
    code: "FormatError",
    lie: lettered({ [HEADERS.sequence]: "1", [HEADERS.kind]: "party", [HEADERS.round]: "0" }),
  },
  {
    name: "a letter whose number is none",
    code: "FormatError",
    lie: lettered({ [HEADERS.sequence]: "NaN", [HEADERS.kind]: "plan", [HEADERS.round]: "0" }),
  },
  {
    name: "a letter of a step before the first",
    code: "FormatError",
    lie: lettered({ [HEADERS.sequence]: "1", [HEADERS.kind]: "round", [HEADERS.round]: "-1" }),
  },
  { name: "a farewell that is no JSON", code: "FormatError", lie: letter("done", text("{")) },
  { name: "a farewell of null", code: "NetworkError", lie: letter("done", text("null")) },
  { name: "a plan that is no JSON", code: "FormatError", lie: letter("plan", text("{")) },
  { name: "a plan that is null", code: "FormatError", lie: letter("plan", text("null")) },
  { name: "a plan that is a deep nest", code: "FormatError", lie: letter("plan", text(deep)) },
  {
    name: "a plan with a deep nest in it",
    code: "FormatError",
    lie: letter("plan", text(`{"plan":${deep},"signature":"${"0".repeat(128)}"}`)),
  },
  { name: "a plan that somebody else signed", code: "AuthenticationError", lie: strange },
  { name: "a signed plan that is a number", code: "FormatError", lie: greet(() => 5) },
  {
    name: "a signed plan without privacy",
    code: "PolicyRefused",
    lie: greet(({ plan }) => ({ ...plan, dp: null })),
  },
  {
    name: "a signed plan whose model is a text",
    code: "ModelError",
    lie: greet(({ plan }) => ({ ...plan, model: { ...plan.model, spec: "x" } })),
  },
  {
    name: "a signed plan of a hundred million steps",
    code: "ConfigError",
    lie: greet(({ plan }) => ({
      ...plan,
      dp: { ...plan.dp, request: { ...plan.dp.request, steps: 100_000_000 } },
    })),
  },
  {
    name: "a plan of two hundred megabytes",
    code: "FormatError",
    reason: "too_large",
    lie: answerTo("/v1/letters", () =>
      new Response(endless(), {
        headers: { [HEADERS.sequence]: "1", [HEADERS.kind]: "plan", [HEADERS.round]: "0" },
      })),
  },
  { name: "an order before any plan", code: "UnexpectedMessage", lie: letter("round", text("{}")) },
  { name: "an order that is no JSON", code: "FormatError", accepts: true, lie: order(() => text("{")) },
  { name: "an order that is null", code: "FormatError", accepts: true, lie: order(() => text("null")) },
  {
    name: "an order whose configuration is no configuration",
    code: "ConfigError",
    accepts: true,
    lie: order(({ aggregator }) => {
      const config = new Uint8Array(40).fill(255);
      const signature = toHex(signLabelled(aggregator.identity, "fedkim/round/1", config));
      return text(JSON.stringify({ format: "fedkim-round/1", config: toHex(config), signature }));
    }),
  },
  {
    name: "weights that are other bytes than the plan names",
    code: "AuthenticationError",
    lie: answerTo("/v1/artefacts", () => new Response("other bytes")),
  },
  {
    name: "weights that are no file of weights",
    code: "FormatError",
    lie: artefact("baseWeights", () => new Uint8Array(64).fill(255)),
  },
  {
    name: "a token table that is none",
    code: "FormatError",
    lie: artefact("textTable", () => text("not a table")),
  },
];

/** The honest plan under the signature of a site. */
function strange(world: World): void {
  const { aggregator } = world;
  const plan = text(canonicalJson(world.plan));
  const signature = toHex(signLabelled(world.identities.get(SITES[1])!, "fedkim/plan/1", plan));
  const body = text(JSON.stringify({ plan: world.plan, signature }));
  aggregator.answer = ({ path }) =>
    path === "/v1/letters"
      ? letterResponse({ sequence: 1, kind: "plan", round: 0, body: new Uint8Array(body) })
      : undefined;
}

Deno.test("whatever an aggregator answers, the site stops with a typed error, uncharged, and says nothing", async (t) => {
  await inWorld(async (world) => {
    const { aggregator } = world;
    for (const { name, code, reason, accepts = false, lie } of CASES) {
      await t.step(`where it answers ${name}`, async () => {
        const since = aggregator.seen.length;
        await Deno.remove(`${world.state(VICTIM)}/artefacts`, { recursive: true }).catch(() => {});
        const worker = world.start(VICTIM);
        await lie(world);
        const { error, events } = await worker.ended;
        aggregator.answer = () => undefined;
        assert.equal(error?.code, code, `${error}`);
        if (reason !== undefined) assert.equal(error?.details.reason, reason);
        assert.equal(events.some(({ kind }) => kind === "accepted"), accepts);
        assert.deepEqual(await world.charged(VICTIM), []);
        const asked = aggregator.seen.slice(since);
        assert.ok(asked.every(({ path }) => !path.endsWith("/messages")), "no message of a step has left");
        const said = new TextDecoder("latin1").decode(await new Blob(asked.map(({ body }) => body)).bytes());
        assert.ok(!/syn-|icu_|labs|\/data|\/sites/.test(said), said);
      });
    }
  });
});

Deno.test("a redirection is not followed: the aggregator cannot make a site call into its own network", async () => {
  await inWorld(async (world) => {
    let called = 0;
    const inside = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      called++;
      return Response.json({ head: null, newest: 0 });
    });
    const location = `http://127.0.0.1:${inside.addr.port}/v1/join`;
    for (const status of [301, 302, 307, 308]) {
      world.aggregator.answer = ({ path }) =>
        path === "/v1/join" ? new Response(null, { status, headers: { location } }) : undefined;
      const { error } = await world.start(VICTIM).ended;
      assert.equal(error?.code, "NetworkError");
      world.aggregator.answer = () => new Response(null, { status, headers: { location } });
      const invite = {
        format: "fedkim-invite/1",
        site: "site-new",
        url: world.aggregator.url,
        secret: "ab".repeat(32),
        aggregatorPublicKey: toHex(world.aggregator.identity.publicKey),
      } as const;
      await assert.rejects(acceptInvite(`${world.dir}/new`, encodeInvite(invite)), { code: "NetworkError" });
    }
    assert.equal(called, 0);
    await inside.shutdown();
  });
});

Deno.test("a step's model that is longer than the plan's is not read to its end", async () => {
  await inWorld(async (world) => {
    const model = "ab".repeat(32);
    world.aggregator.answer = ({ path }) => path.endsWith(model) ? new Response(endless()) : undefined;
    const { ending, sent, charges } = await attack(world, { model });
    assert.deepEqual([ending.error?.code, ending.error?.details.reason], ["ProtocolAbort", "local_failure"]);
    assert.equal((ending.error?.cause as FedKimError).details.reason, "too_large");
    assert.deepEqual(sent, ["advertise_keys", "share_keys", "abort"]);
    assert.equal(charges, 1, "the order was good: the step is charged, as documented");
  });
});

Deno.test("an answer that unfolds beyond its longest length is cut off", async () => {
  await inWorld(async (world) => {
    const body = await bomb();
    world.aggregator.answer = ({ path }) =>
      path === "/v1/join" ? new Response(body, { headers: { "content-encoding": "gzip" } }) : undefined;
    const { error } = await world.start(VICTIM).ended;
    assert.deepEqual([error?.code, error?.details.reason], ["FormatError", "too_large"]);
  });
});
