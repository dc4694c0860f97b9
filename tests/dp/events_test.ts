import assert from "node:assert/strict";
import fc from "fast-check";
import { accountingRows, type DpEvent, epsilonAt, flattenEvent, parseEvent } from "../../src/dp/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { goldenText, MECHANISMS } from "./_helpers.ts";

Deno.test("parseEvent() keeps every golden composition as it is", () => {
  let seen = 0;
  for (const row of accountingRows(goldenText)) {
    const text = JSON.stringify(row.composition);
    if (text === "null" || text === undefined || text.includes("null")) continue;
    assert.deepEqual(parseEvent(row.composition), row.composition);
    seen++;
  }
  assert.ok(seen > 380);
});

Deno.test("parseEvent() refuses unknown types, unknown fields and foreign shapes", () => {
  const bad: unknown[] = [
    null,
    7,
    [],
    {},
    { type: "toString" },
    { type: "gaussian" },
    { type: "gaussian", sigma: "1" },
    { type: "gaussian", sigma: 1, noise: 2 },
    { type: "composed", events: [] },
    { type: "self_composed", event: { type: "gaussian", sigma: 1 }, count: 1.5 },
    { type: "self_composed", event: { type: "gaussian", sigma: 1 }, count: 2 ** 53 },
    { type: "poisson", q: 1.1, event: { type: "gaussian", sigma: 1 } },
    { type: "mixture_of_gaussians", sigma: 1, sensitivities: [1], probs: [0.5] },
    { type: "sample_without_replacement", dataset_size: 5, sample_size: 6, event: { type: "no_op" } },
  ];
  for (const value of bad) assert.throws(() => parseEvent(value), { code: "UnsupportedDpEvent" });
});

Deno.test("parseEvent() refuses a composition nested a thousand deep", () => {
  let event: DpEvent = { type: "gaussian", sigma: 1 };
  for (let i = 0; i < 1000; i++) event = { type: "composed", events: [event] };
  assert.throws(() => parseEvent(event), { code: "UnsupportedDpEvent" });
});

Deno.test("an event with one broken number is refused or costs something, never nothing", () => {
  const broken = fc.constantFrom(NaN, Infinity, -Infinity, -1, -1e-300, 2 ** 53, 2 ** 53 + 2, 1e308, 0);
  fc.assert(
    fc.property(fc.nat(MECHANISMS.length - 1), fc.nat(7), broken, (which, field, value) => {
      const { event, neighboring } = MECHANISMS[which];
      const changed = breakField(event, field, value);
      try {
        for (const accountant of ["rdp", "pld"] as const) {
          const { epsilon } = epsilonAt(changed, 1e-6, { neighboring, accountant, gridInterval: 1e-2 });
          // A probability or parameter of 0 or a huge scale may be legitimate: the answer is still a number
          // >= 0.
          assert.ok(epsilon >= 0, `${JSON.stringify(changed)} gives ${epsilon}`);
          if (!Number.isFinite(value) || value < 0) assert.fail(`accepted ${value}`);
        }
      } catch (error) {
        if (!(error instanceof FedKimError)) throw error;
        assert.ok(["UnsupportedDpEvent", "ConfigError"].includes(error.code), error.message);
      }
    }),
    { numRuns: 300, seed: 11 },
  );
});

/** The event with its n-th number replaced. */
function breakField(event: DpEvent, n: number, value: number): DpEvent {
  let count = 0;
  const total = numbersIn(event);
  const walk = (node: unknown): unknown => {
    if (typeof node === "number") return count++ === n % total ? value : node;
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item)]));
  };
  return walk(event) as DpEvent;
}

function numbersIn(node: unknown): number {
  if (typeof node === "number") return 1;
  if (typeof node !== "object" || node === null) return 0;
  return Object.values(node).reduce((sum: number, item) => sum + numbersIn(item), 0);
}

Deno.test("epsilonAt() refuses deltas that double precision cannot resolve, and a missing relation", () => {
  const event: DpEvent = { type: "gaussian", sigma: 1 };
  for (const delta of [NaN, 0, -1e-5, 1e-14, 1, 1.5, Infinity]) {
    assert.throws(() => epsilonAt(event, delta, { neighboring: "add_or_remove_one" }), {
      code: "ConfigError",
    });
  }
  const none = {} as { neighboring: "replace_one" };
  assert.throws(() => epsilonAt(event, 1e-5, none), { code: "ConfigError" });
});

Deno.test("flattenEvent() counts nested compositions and merges equal mechanisms", () => {
  const gaussian: DpEvent = { type: "gaussian", sigma: 2 };
  const twice: DpEvent = { type: "self_composed", event: gaussian, count: 2 };
  const tree: DpEvent = {
    type: "composed",
    events: [twice, {
      type: "self_composed",
      event: { type: "composed", events: [gaussian, twice] },
      count: 5,
    }],
  };
  assert.deepEqual(flattenEvent(tree).map((part) => part.count), [17]);
});

Deno.test("flattenEvent() merges Gaussians on one Poisson sample and refuses other mixtures there", () => {
  const both: DpEvent = {
    type: "poisson",
    q: 0.1,
    event: { type: "composed", events: [{ type: "gaussian", sigma: 3 }, { type: "gaussian", sigma: 4 }] },
  };
  const [part] = flattenEvent(both);
  assert.ok(part.event.type === "poisson" && part.event.event.type === "gaussian");
  assert.ok(Math.abs(part.event.event.sigma - 12 / 5) < 1e-12);
  const mixed: DpEvent = {
    type: "poisson",
    q: 0.1,
    event: { type: "composed", events: [{ type: "gaussian", sigma: 3 }, { type: "laplace", b: 3 }] },
  };
  assert.throws(() => flattenEvent(mixed), { code: "UnsupportedDpEvent" });
});
