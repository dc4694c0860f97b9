import assert from "node:assert/strict";
import { problemResponse } from "../../../src/federation/problem.ts";
import { REQUEST_WINDOW_SECONDS, RequestVerifier } from "../../../src/federation/request_auth.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { type ClientMessage, decodeMessage, encodeMessage } from "../../../src/secure_agg/mod.ts";
import type { Inbound } from "./_lying_aggregator.ts";
import { attack } from "./_step.ts";
import { inWorld, type SiteName, SITES, VICTIM, type World } from "./_world.ts";

/** What the true aggregator checks of each request before anything else. */
function guard(world: World): (request: Inbound, now?: number) => Promise<void> {
  const nonces = new Set<string>();
  const verifier = new RequestVerifier({
    publicKeyOf: (name) => Promise.resolve(world.identities.get(name as SiteName)?.publicKey),
    once: (nonce) => Promise.resolve(nonces.size < nonces.add(nonce).size),
  });
  return async ({ method, path, query, headers, body }, now) => {
    await verifier.accept(await verifier.authenticate(method, path + query, headers, now), body);
  };
}

const typeOf = ({ path, body }: Inbound) => path.endsWith("/messages") ? decodeMessage(body).type : undefined;
const isChunk = (request: Inbound) => typeOf(request) === "masked_chunk";

/** What somebody between site and aggregator does to an upload. */
const REWRITES: readonly (readonly [string, (request: Inbound, before: Inbound | undefined) => Inbound])[] = [
  ["flips a bit of a chunk", (request) => {
    const body = request.body.slice();
    body[60] ^= 1;
    return { ...request, body };
  }],
  [
    "cuts a chunk in half",
    (request) => ({ ...request, body: request.body.slice(0, request.body.length >> 1) }),
  ],
  [
    "makes a chunk longer",
    (request) => ({ ...request, body: new Uint8Array([...request.body, ...request.body]) }),
  ],
  [
    "sends the chunk before in its place",
    (request, before) => ({ ...request, body: (before ?? request).body }),
  ],
  ["passes it on to another step", (request) => ({ ...request, path: request.path.replace(/\d+/, "99") })],
  ["passes it on in another site's name", (request) => {
    const headers = new Headers(request.headers);
    headers.set("signature-input", headers.get("signature-input")!.replace(VICTIM, SITES[1]));
    return { ...request, headers };
  }],
];

Deno.test("somebody between a site and an honest aggregator", async (t) => {
  await inWorld(async (world) => {
    const { aggregator } = world;
    for (const [name, rewrite] of REWRITES) {
      await t.step(`${name}: the aggregator takes nothing of it, and the site stops`, async () => {
        const check = guard(world);
        let before: Inbound | undefined;
        aggregator.answer = (request) => {
          if (!isChunk(request) && typeOf(request) !== "commit_vector") return undefined;
          const passed = rewrite(request, before);
          // The first chunk goes through unchanged where the second one is to be replaced by it.
          const unchanged = passed.body === request.body && passed.path === request.path &&
            passed.headers === request.headers;
          before = request;
          return check(passed).then(() => undefined, problemResponse).then((refusal) => {
            assert.ok(refusal !== undefined || unchanged);
            if (refusal === undefined) aggregator.onMessage(request, world.round);
            return refusal ?? Response.json({ noted: true });
          });
        };
        const { ending, survivors, sum } = await attack(world);
        aggregator.answer = () => undefined;
        assert.equal(ending.error?.code, "AuthenticationError", `${ending.error}`);
        assert.ok(sum !== undefined && !survivors.includes(VICTIM), "the others' sum goes on without it");
      });
    }
  });
});

Deno.test("a chunk that comes late, twice or out of order changes nothing; one that was changed takes its site out", () =>
  inWorld(async (world) => {
    const { aggregator } = world;
    let held: Inbound | undefined;
    aggregator.answer = (request) => {
      if (!isChunk(request) && typeOf(request) !== "commit_vector") return undefined;
      if (held === undefined) {
        held = request;
        return Response.json({ noted: true });
      }
      // After the second chunk comes the first one, twice.
      aggregator.onMessage(request, world.round);
      if (isChunk(request)) { for (let i = 0; i < 2; i++) aggregator.onMessage(held, world.round); }
      return Response.json({ noted: true });
    };
    const outcome = await attack(world);
    aggregator.answer = () => undefined;
    assert.deepEqual([outcome.ending.error, outcome.survivors.length], [undefined, 4]);

    const changed = (change: (chunk: ClientMessage & { type: "masked_chunk" }) => ClientMessage) =>
      attack(world, {
        heard: (message, site) =>
          site === VICTIM && message.type === "masked_chunk" ? change(message) : message,
      });
    for (
      const { survivors, ending } of [
        await changed((chunk) => ({ ...chunk, chunk: 1 - chunk.chunk })),
        await changed((chunk) => ({ ...chunk, chunk: chunk.chunk + 2 })),
        await changed((chunk) => ({ ...chunk, payload: chunk.payload.map((byte) => byte ^ 1) })),
        await changed((chunk) => ({ ...chunk, payload: chunk.payload.slice(4) })),
      ]
    ) {
      assert.deepEqual(survivors, SITES.slice(1), "its root is signed: no part of it is ever added");
      assert.equal(ending.error, undefined);
    }
  }));

Deno.test("an aggregator that loses a vector again and again gets the same bytes again and again, and no others", () =>
  inWorld(async (world) => {
    const { aggregator } = world;
    const since = aggregator.seen.length;
    aggregator.answer = (request) =>
      typeOf(request) === "commit_vector"
        ? problemResponse(new FedKimError("ProtocolAbort", "Lost.", { reason: "incomplete_vector" }))
        : undefined;
    const worker = world.start(VICTIM);
    const { round, charges } = await attack(world, { workers: [worker] });
    aggregator.answer = () => undefined;
    await world.dismiss(worker);
    const sent = aggregator.messages(VICTIM, round, since).map((bytes) => decodeMessage(bytes));
    const commits = sent.filter(({ type }) => type === "commit_vector").map(encodeMessage);
    assert.ok(commits.length > 2 && commits.length < 20, `${commits.length}`);
    assert.equal(new Set(commits.map(String)).size, 1);
    const chunks = sent.filter(({ type }) => type === "masked_chunk").map(encodeMessage);
    assert.equal(new Set(chunks.map(String)).size, 2);
    assert.equal(charges, 1);
  }));

Deno.test("a request is taken once, and neither long after nor long before it was signed", () =>
  inWorld(async (world) => {
    const worker = world.start(VICTIM);
    await world.until(() => worker.events.some(({ kind }) => kind === "accepted"));
    await world.dismiss(worker);
    const join = world.aggregator.seen.find(({ path }) => path === "/v1/join")!;
    const check = guard(world);
    const seconds = (count: number) => Date.now() + 1000 * count;
    for (const late of [REQUEST_WINDOW_SECONDS + 60, -REQUEST_WINDOW_SECONDS - 60, 1e9, -1e9]) {
      await assert.rejects(check(join, seconds(late)), { code: "AuthenticationError" }, `${late} s`);
    }
    await check(join);
    await assert.rejects(check(join), (error: FedKimError) => error.details.reason === "replayed");
  }));

Deno.test("whatever the aggregator's clock says, a site neither believes it nor minds it", () =>
  inWorld(async (world) => {
    for (const date of ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday"]) {
      world.aggregator.answer = ({ path }) =>
        path === "/v1/join"
          ? Response.json({ head: null, newest: 0 }, {
            headers: { date, "retry-after": "1e9", expires: date },
          })
          : undefined;
      const { ending, charges, survivors } = await attack(world);
      assert.deepEqual([ending.error, charges, survivors.length], [undefined, 1, 4]);
    }
    const times = (await world.ledger(VICTIM)).map(({ at }) => Date.parse(at as string));
    assert.ok(
      times.every((time) => Math.abs(time - Date.now()) < 3_600_000),
      "the ledger's times are the site's own",
    );
  }));

Deno.test("an aggregator's words reach the operator without control characters, and not without end", () =>
  inWorld(async (world) => {
    const worker = world.start(VICTIM);
    world.aggregator.post(
      VICTIM,
      "abort",
      1,
      new TextEncoder().encode(`\u001b]0;owned\u0007${"x".repeat(1e6)}`),
    );
    await world.dismiss(worker);
    const told = worker.events.find((event) => event.kind === "aborted");
    // deno-lint-ignore no-control-regex -- control characters are what must not be there
    assert.ok(told?.kind === "aborted" && !/[\u0000-\u001f]/.test(told.reason) && told.reason.length <= 2000);
  }));
