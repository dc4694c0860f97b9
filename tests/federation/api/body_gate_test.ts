import assert from "node:assert/strict";
import fc from "fast-check";
import { BodyGate } from "../../../src/federation/api/body_gate.ts";

const LARGE = 65_536;

Deno.test("bodies beyond the budget wait in order, and go on when others are done", async () => {
  const gate = new BodyGate(2 * LARGE);
  const log: string[] = [];
  const doors = new Map<string, PromiseWithResolvers<void>>();
  const enter = (name: string) =>
    gate.hold(LARGE, async () => {
      log.push(`${name} in`);
      const door = Promise.withResolvers<void>();
      doors.set(name, door);
      await door.promise;
      log.push(`${name} out`);
    });
  const all = ["a", "b", "c", "d"].map(enter);
  assert.deepEqual(log, ["a in", "b in"]);
  assert.equal(gate.held, 2 * LARGE);
  doors.get("b")!.resolve();
  await all[1];
  assert.deepEqual(log, ["a in", "b in", "b out", "c in"]);
  for (const name of ["a", "c"]) doors.get(name)!.resolve();
  await Promise.all([all[0], all[2]]);
  doors.get("d")!.resolve();
  await all[3];
  assert.equal(gate.held, 0);
});

Deno.test("whatever sizes come and however they end, no more is held than allowed and all are served", async () => {
  const body = fc.record({ bytes: fc.integer({ min: 0, max: 5 * LARGE }), fails: fc.boolean() });
  await fc.assert(fc.asyncProperty(fc.array(body, { maxLength: 20 }), async (bodies) => {
    const limit = 3 * LARGE;
    const gate = new BodyGate(limit);
    let served = 0;
    await Promise.allSettled(bodies.map(({ bytes, fails }) =>
      gate.hold(bytes, async () => {
        // One that is larger than all that is allowed goes alone.
        assert.ok(bytes < LARGE || gate.held <= Math.max(limit, bytes));
        served++;
        await Promise.resolve();
        if (fails) throw new Error("no body");
      })
    ));
    assert.equal(served, bodies.length);
    assert.equal(gate.held, 0);
  }));
});

Deno.test("small bodies and requests without a length never wait", async () => {
  const gate = new BodyGate(1);
  const door = Promise.withResolvers<void>();
  const large = gate.hold(LARGE, () => door.promise);
  assert.equal(await gate.hold(200, () => Promise.resolve("small")), "small");
  assert.equal(await gate.hold(NaN, () => Promise.resolve("none")), "none");
  door.resolve();
  await large;
});
