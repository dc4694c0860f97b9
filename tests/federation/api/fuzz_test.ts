import assert from "node:assert/strict";
import fc from "fast-check";
import { ERROR_EXIT_STATUS } from "../../../src/formats/errors.ts";
import { type Service, withService } from "./_service.ts";

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly signed: boolean;
  readonly json: boolean;
  readonly takesBody: boolean;
}

/** Every operation that the service describes. */
async function operations({ app }: Service): Promise<Operation[]> {
  const document = await (await app.fetch(new Request("http://aggregator/openapi.json"))).json();
  return Object.entries<Record<string, Record<string, unknown>>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const body = operation.requestBody as { content: Record<string, unknown> } | undefined;
      return {
        method: method.toUpperCase(),
        path,
        signed: operation.security !== undefined,
        json: body?.content["application/json"] !== undefined,
        takesBody: body !== undefined,
      };
    })
  );
}

/** Everything durable that requests could change. */
async function state({ book, desk }: Service): Promise<unknown> {
  const heads = await Promise.all((await book.store.keys("head")).map((site) => book.headOf(site)));
  const spaces = ["invite", "ticket/a", "session/a"];
  const kept = await Promise.all(spaces.map((space) => book.store.keys(space)));
  const audit = await book.audit.newest();
  return [
    await book.members(),
    heads,
    kept,
    audit,
    [...desk.mailboxes.keys()],
    [...desk.present],
    desk.status(),
  ];
}

/** Checks a problem document; gives its reason. */
async function refused(response: Response, allowed: readonly number[] = []): Promise<string | undefined> {
  const text = await response.text();
  if (allowed.includes(response.status)) return undefined;
  assert.ok(response.status >= 400 && response.status < 500, `${response.status}: ${text}`);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const problem = JSON.parse(text);
  assert.ok(Object.hasOwn(ERROR_EXIT_STATUS, problem.code), problem.code);
  assert.notEqual(problem.code, "InternalError");
  assert.equal(problem.status, response.status);
  assert.ok(problem.detail.length > 10 && problem.detail.length < 2000);
  return problem.reason;
}

const hostile = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.string(),
  fc.constantFrom(
    "",
    "null",
    "[]",
    "{",
    '{"head":{}}',
    '{"__proto__":{"site":"a"}}',
    `{"site":"${"a".repeat(9000)}"}`,
  ),
  fc.uint8Array({ maxLength: 200 }),
);
const types = fc.constantFrom(
  "application/json",
  "text/plain",
  "application/octet-stream",
  "application/json; charset=x",
);

Deno.test("no request of any shape gets a 500 or changes anything: problem documents only", async () => {
  await withService(async (service) => {
    const all = await operations(service);
    assert.ok(all.length >= 10, "the description lists every endpoint");
    const before = JSON.stringify(await state(service));
    const segment = fc.oneof(
      fc.constantFrom("0", "-1", "1e9", "NaN", "%00", "..%2f", "x".repeat(300)),
      fc.webSegment(),
    );
    const query = fc.oneof(
      fc.constant(""),
      fc.webQueryParameters().map((text) => `?${text}`),
      fc.constantFrom("?after=-1", "?after=1.5", "?after=x", "?head=1", "?head=1.zz"),
    );
    const input = fc.record({
      at: fc.nat(all.length - 1),
      body: hostile,
      type: types,
      segment,
      query,
      signs: fc.boolean(),
      address: fc.ipV4(),
    });
    await fc.assert(
      fc.asyncProperty(input, async ({ at, body, type, segment, query, signs, address }) => {
        const { method, path, signed } = all[at];
        // What takes nothing cannot be wrong.
        if (!signed && method === "GET" || path === "/v1/ticket" && signs) return;
        const target = new URL(path.replaceAll(/\{\w+\}/g, segment) + query, "http://aggregator");
        await refused(
          await service.send(method, target.pathname + target.search, {
            ...(method === "GET" ? {} : { body }),
            type,
            address,
            signer: signs ? service.site : "nobody",
          }),
        );
      }),
      { numRuns: 600 },
    );
    assert.equal(JSON.stringify(await state(service)), before);
  });
});

Deno.test("a wrong method is a 405 problem document that says which are right, whoever asks, and changes nothing", async () => {
  await withService(async (service) => {
    const before = JSON.stringify(await state(service));
    const wrong = [
      ["DELETE", "/v1/join", "POST"],
      ["GET", "/v1/enroll", "POST"],
      ["PUT", "/v1/letters", "GET, HEAD"],
      ["GET", "/v1/rounds/7/messages", "POST"],
      ["POST", `/v1/artefacts/${"ab".repeat(32)}`, "GET, HEAD"],
      ["OPTIONS", "/healthz", "GET, HEAD"],
      ["POST", "/openapi.json", "GET, HEAD"],
      ["PATCH", "/dashboard/enter", "GET, HEAD, POST"],
    ];
    for (const [method, path, allow] of wrong) {
      for (const signer of ["nobody", service.site] as const) {
        const response = await service.send(method, path, { signer });
        assert.equal(response.status, 405, `${method} ${path}`);
        assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
        assert.equal(await refused(response), "wrong_method");
      }
    }
    assert.equal((await service.send("HEAD", "/healthz", { signer: "nobody" })).status, 200);
    assert.equal(JSON.stringify(await state(service)), before);
  });
});

Deno.test("unknown paths are 404 problem documents", async () => {
  await withService(async (service) => {
    for (
      const [method, path] of [["GET", "/"], ["GET", "/v2/join"], ["DELETE", "/v1/nothing"]]
    ) {
      const response = await service.send(method, path, { signer: "nobody" });
      await refused(response);
      assert.ok([401, 404].includes(response.status));
    }
  });
});

Deno.test("a signed endpoint refuses a well-formed request of nobody, and a body that is too large", async () => {
  await withService(async (service) => {
    const body = JSON.stringify({ head: { sequence: 1, hash: "ab".repeat(32) } });
    const type = "application/json";
    const unsigned = await service.send("POST", "/v1/join", { body, type, signer: "nobody" });
    assert.equal(unsigned.status, 401);
    await refused(unsigned);
    const large = await service.send("POST", "/v1/rounds/1/messages", { body: new Uint8Array(2000) });
    assert.equal(large.status, 413);
    await refused(large);
    assert.equal((await service.send("POST", "/v1/join", { body, type })).status, 200);
  }, 1000);
});

Deno.test("callers that ask too often are told when to come back, and nobody else is", async () => {
  await withService(async (service) => {
    const ask = (address: string) => service.send("GET", "/v1/status", { signer: "nobody", address });
    let last = await ask("10.1.1.1");
    for (let i = 0; i < 400 && last.status === 200; i++) last = await ask("10.1.1.1");
    assert.equal(last.status, 429);
    assert.ok(Number(last.headers.get("retry-after")) >= 1);
    await refused(last);
    assert.equal((await ask("10.1.1.2")).status, 200);
  });
});
