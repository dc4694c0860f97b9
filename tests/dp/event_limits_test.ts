import assert from "node:assert/strict";
import { type DpEvent, flattenEvent, parseEvent } from "../../src/dp/mod.ts";
import { holdsLimit, nextDouble } from "./_limits.ts";

const GAUSSIAN = { type: "gaussian", sigma: 1 } as const;
const MOST = Number.MAX_SAFE_INTEGER;

/** One valid event of each kind with numbers, and the documented bounds of every one of them. */
const KINDS: readonly {
  readonly event: Readonly<Record<string, unknown>>;
  readonly limits: Readonly<Record<string, readonly [low: number, high: number, ...("open" | "integer")[]]>>;
}[] = [
  { event: GAUSSIAN, limits: { sigma: [1e-3, 1e12] } },
  { event: { type: "laplace", b: 1 }, limits: { b: [1e-3, 1e12] } },
  {
    event: { type: "discrete_laplace", a: 1, sensitivity: 1 },
    limits: { a: [1e-9, 1e3], sensitivity: [1, 1e9, "integer"] },
  },
  { event: { type: "zcdp", rho: 1, xi: 1 }, limits: { rho: [0, 1e9], xi: [0, 1e9] } },
  { event: { type: "eps_delta", epsilon: 1, delta: 0 }, limits: { epsilon: [0, 1e9], delta: [0, 1] } },
  {
    event: { type: "randomized_response", noise_parameter: 0.5, num_buckets: 2 },
    limits: { noise_parameter: [0, 1, "open"], num_buckets: [2, MOST, "integer"] },
  },
  { event: { type: "exponential", epsilon: 1 }, limits: { epsilon: [0, 1e9, "open"] } },
  { event: { type: "permute_and_flip", epsilon: 1 }, limits: { epsilon: [0, 1e9, "open"] } },
  {
    event: { type: "mixture_of_gaussians", sigma: 1, sensitivities: [1], probs: [1] },
    limits: { sigma: [1e-3, 1e12] },
  },
  {
    event: { type: "tree", sigma: 1, step_counts: 3 },
    limits: { sigma: [1e-3, 1e12] },
  },
  {
    event: {
      type: "truncated_poisson_gaussian",
      dataset_size: 10,
      q: 0.5,
      truncated_batch_size: 5,
      sigma: 1,
    },
    limits: {
      dataset_size: [1, MOST, "integer"],
      q: [0, 1, "open"],
      truncated_batch_size: [1, MOST, "integer"],
      sigma: [1e-3, 1e12],
    },
  },
  {
    event: { type: "discrete_gaussian", sigma: 1, sensitivity: 1, dimension: 1 },
    limits: { sigma: [1e-3, 1e12], sensitivity: [0, 1e12, "open"], dimension: [1, MOST, "integer"] },
  },
  {
    event: {
      type: "sum_of_discrete_gaussians",
      local_sigma: 1,
      num_shares: 2,
      l2_sensitivity: 1,
      l1_sensitivity: 1,
      dimension: 1,
    },
    limits: {
      local_sigma: [1e-3, 1e12],
      num_shares: [1, 1e6, "integer"],
      l2_sensitivity: [0, 1e12, "open"],
      l1_sensitivity: [0, 1e24, "open"],
      dimension: [1, MOST, "integer"],
    },
  },
  {
    event: { type: "skellam", variance: 1, l2_sensitivity: 1, l1_sensitivity: 1, dimension: 1 },
    limits: {
      variance: [1e-6, 1e24],
      l2_sensitivity: [0, 1e12, "open"],
      l1_sensitivity: [0, 1e24, "open"],
      dimension: [1, MOST, "integer"],
    },
  },
  { event: { type: "poisson", q: 0.5, event: GAUSSIAN }, limits: { q: [0, 1] } },
  {
    event: { type: "sample_without_replacement", dataset_size: 10, sample_size: 5, event: GAUSSIAN },
    limits: { sample_size: [1, 10, "integer"] },
  },
  {
    event: { type: "sample_without_replacement", dataset_size: 10, sample_size: 1, event: GAUSSIAN },
    limits: { dataset_size: [1, MOST, "integer"] },
  },
  {
    event: { type: "repeat_and_select", mean: 2, shape: 1, event: GAUSSIAN },
    limits: { mean: [1, 1e9], shape: [0, 1e9] },
  },
  { event: { type: "self_composed", event: GAUSSIAN, count: 2 }, limits: { count: [0, MOST, "integer"] } },
];

for (const { event, limits } of KINDS) {
  Deno.test(`parseEvent() reads ${event.type} up to its bounds and no further`, () => {
    assert.deepEqual(parseEvent(event), event);
    for (const [field, [low, high, ...marks]] of Object.entries(limits)) {
      const read = (value: number) => {
        // A field that may be absent is absent when it is undefined.
        if (value === undefined && field === "dimension" && event.type !== "sum_of_discrete_gaussians") {
          return parseEvent({ ...event, [field]: null });
        }
        assert.deepEqual(parseEvent({ ...event, [field]: value }), { ...event, [field]: value });
      };
      const [open, integer] = [marks.includes("open"), marks.includes("integer")];
      // Integers above 2^53 are no integers that JSON keeps.
      holdsLimit({ name: `${event.type}.${field}`, read, low, high, open, integer }, "UnsupportedDpEvent");
    }
  });
}

Deno.test("the numbers in an event's lists have bounds of their own, and lists 1 to 1,000,000 elements", () => {
  const mixture = (sensitivities: unknown, probs: unknown) =>
    parseEvent({ type: "mixture_of_gaussians", sigma: 1, sensitivities, probs });
  const code = "UnsupportedDpEvent";
  holdsLimit({ name: "sensitivities", read: (x) => mixture([x, 0], [0.5, 0.5]), low: 0, high: 1e6 }, code);
  holdsLimit(
    { name: "probs", read: (p) => mixture([1, 1], [p, Number(p) === 0 ? 1 : 0]), low: 0, high: 1 },
    code,
  );
  const tree = (step_counts: unknown) => parseEvent({ type: "tree", sigma: 1, step_counts });
  holdsLimit({ name: "step_counts", read: (n) => tree([n, 1]), low: 1, high: MOST, integer: true }, code);
  for (
    const [sensitivities, probs] of [[[1, 2], [1]], [[1], [0.5, 0.5]], [[], []], ["1", "1"], [{ length: 1 }, [
      1,
    ]]]
  ) {
    assert.throws(() => mixture(sensitivities, probs), { code });
  }
  for (const good of [1, MOST]) assert.deepEqual(tree(good), { type: "tree", sigma: 1, step_counts: good });
  for (const bad of [0, 1.5, MOST + 1, "1", null]) assert.throws(() => tree(bad), { code });
  assert.deepEqual(tree([1, 2]), { type: "tree", sigma: 1, step_counts: [1, 2] });
  const list = (length: number) => new Array<number>(length).fill(1);
  tree(list(1));
  tree(list(1_000_000));
  for (const length of [0, 1_000_001]) assert.throws(() => tree(list(length)), { code });
});

Deno.test("the probabilities of a mixture sum to 1 within 1e-9, on both sides", () => {
  const summing = (total: number) =>
    parseEvent({
      type: "mixture_of_gaussians",
      sigma: 1,
      sensitivities: [1, 2],
      probs: [total - 0.25, 0.25],
    });
  for (const off of [9e-10, -9e-10]) summing(1 + off);
  for (const off of [1.1e-9, -1.1e-9]) assert.throws(() => summing(1 + off), { code: "UnsupportedDpEvent" });
});

Deno.test("repeat_and_select takes the shape inf, and no other text", () => {
  const event = { type: "repeat_and_select", mean: 2, shape: "inf", event: GAUSSIAN };
  assert.deepEqual(parseEvent(event), event);
  assert.throws(() => parseEvent({ ...event, shape: "Inf" }), { code: "UnsupportedDpEvent" });
});

Deno.test("events nest 64 deep in every kind that holds others, and not 65", () => {
  const wrappers: readonly ((event: unknown) => unknown)[] = [
    (event) => ({ type: "poisson", q: 0.5, event }),
    (event) => ({ type: "sample_without_replacement", dataset_size: 2, sample_size: 1, event }),
    (event) => ({ type: "repeat_and_select", mean: 2, shape: 1, event }),
    (event) => ({ type: "composed", events: [event] }),
    (event) => ({ type: "self_composed", event, count: 2 }),
  ];
  for (const wrap of wrappers) {
    let event: unknown = GAUSSIAN;
    for (let i = 0; i < 64; i++) event = wrap(event);
    assert.deepEqual(parseEvent(event), event);
    assert.throws(() => parseEvent(wrap(event)), { code: "UnsupportedDpEvent", message: /deeper than 64/ });
  }
});

Deno.test("a refused event is named by its number, or by the type of what is no number, never by its text", () => {
  const message = (value: unknown): string => {
    try {
      parseEvent(value);
    } catch (error) {
      return (error as Error).message;
    }
    return "accepted";
  };
  assert.match(message({ type: "gaussian", sigma: 2e12 }), /gaussian\.sigma = 2000000000000\./);
  assert.match(message({ type: "gaussian", sigma: true }), /gaussian\.sigma = true/);
  assert.match(message({ type: "gaussian", sigma: "a patient's name" }), /gaussian\.sigma = string/);
  assert.match(message({ type: "gaussian", sigma: {} }), /gaussian\.sigma = object/);
  assert.match(message({ type: "gaussian", sigma: 0 }), /of at least 0\.001 and at most 1000000000000/);
  assert.match(message({ type: "exponential", epsilon: 0 }), /above 0 and at most 1000000000/);
  assert.match(message({ type: "composed", events: "x" }), /composed\.events is string/);
  assert.match(message(5), /Found: 5\./);
  assert.match(message({ type: 5 }), /unknown event type/);
  assert.match(message({ type: "gaussian", sigma: 1, secret: 3 }), /unknown field in gaussian/);
});

Deno.test("flattenEvent() leaves out what is not run, and says what a sample of a sample is", () => {
  const leaves = (event: DpEvent) => flattenEvent(event).map(({ event, count }) => ({ event, count }));
  const laplace = { type: "laplace", b: 3 } as const;
  const times = (event: DpEvent, count: number): DpEvent => ({ type: "self_composed", event, count });
  const sample = (q: number, event: DpEvent): DpEvent => ({ type: "poisson", q, event });
  assert.deepEqual(leaves(times(GAUSSIAN, 0)), []);
  assert.deepEqual(leaves({ type: "composed", events: [{ type: "no_op" }, times(GAUSSIAN, 0)] }), []);
  for (const nothing of [{ type: "no_op" }, times(GAUSSIAN, 0)] as const) {
    assert.deepEqual(leaves(sample(0.5, nothing)), []);
    assert.deepEqual(leaves(sample(1, nothing)), []);
  }
  assert.deepEqual(leaves(sample(0, GAUSSIAN)), []);
  assert.deepEqual(leaves(sample(1, laplace)), [{ event: laplace, count: 1 }]);
  assert.deepEqual(leaves(sample(1, times(laplace, 4))), [{ event: laplace, count: 4 }]);
  assert.deepEqual(leaves(sample(0.5, sample(0.25, laplace))), [{ event: sample(0.125, laplace), count: 1 }]);
  assert.deepEqual(leaves(sample(0.5, { type: "composed", events: [laplace] })), [
    { event: sample(0.5, laplace), count: 1 },
  ]);
  assert.deepEqual(leaves(sample(0.5, times(laplace, 1))), [{ event: sample(0.5, laplace), count: 1 }]);
  // Two Gaussians on one sample are one with half the variance.
  assert.deepEqual(leaves(sample(0.5, times({ type: "gaussian", sigma: 2 }, 4))), [
    { event: sample(0.5, GAUSSIAN), count: 1 },
  ]);
  assert.throws(() => leaves(sample(0.5, times(laplace, 2))), { code: "UnsupportedDpEvent" });
  // Counts multiply and add up as long as they are exact.
  assert.deepEqual(leaves(times(times(GAUSSIAN, 2 ** 26), 2 ** 26)), [{ event: GAUSSIAN, count: 2 ** 52 }]);
  assert.equal(leaves({ type: "composed", events: [times(GAUSSIAN, MOST - 1), GAUSSIAN] })[0].count, MOST);
  assert.throws(() => leaves({ type: "composed", events: [times(GAUSSIAN, MOST), GAUSSIAN] }), {
    code: "UnsupportedDpEvent",
  });
  assert.equal(nextDouble(1), 1 + 2 ** -52);
});
