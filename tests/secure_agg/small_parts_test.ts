import assert from "node:assert/strict";
import { isSmallOrderEd25519 } from "../../src/secure_agg/_ed25519_order.ts";
import { FunctionBody } from "../../src/secure_agg/_wasm_assembler.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/secure_agg/mod.ts";
import { medianOf } from "../../src/secure_agg/_simulated_cost.ts";
import { smallestRingThreshold } from "../../src/secure_agg/graph_params.ts";

Deno.test("a key of small order is one with either sign, and nothing beside it is", () => {
  const ys = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ].map((hex) => Uint8Array.fromHex(hex));
  for (const y of ys) {
    const given = y.slice();
    assert.equal(isSmallOrderEd25519(given), true);
    assert.deepEqual(given, y, "the key is not changed");
    assert.equal(isSmallOrderEd25519(y.with(31, y[31] | 0x80)), true);
    for (let at = 0; at < 32; at++) {
      for (const bit of at === 31 ? [4, 64] : [4, 128]) {
        assert.equal(isSmallOrderEd25519(y.with(at, y[at] ^ bit)), false, `byte ${at}`);
      }
    }
  }
});

Deno.test("numbers in WebAssembly are signed LEB128, whatever their size and sign", () => {
  const constant = (value: number): number[] => {
    const body = new FunctionBody(0).i32Const(value).finish();
    // Length, no locals, the opcode, the number, and the end.
    assert.deepEqual([body[0], body[1], body[2], body.at(-1)], [body.length - 1, 0, 0x41, 0x0b]);
    return body.slice(3, -1);
  };
  for (
    const [value, ...bytes] of [
      [0, 0x00],
      [1, 0x01],
      [63, 0x3f],
      [64, 0xc0, 0x00],
      [127, 0xff, 0x00],
      [128, 0x80, 0x01],
      [8191, 0xff, 0x3f],
      [8192, 0x80, 0xc0, 0x00],
      [-1, 0x7f],
      [-64, 0x40],
      [-65, 0xbf, 0x7f],
      [-128, 0x80, 0x7f],
      [-129, 0xff, 0x7e],
      [2 ** 31 - 1, 0xff, 0xff, 0xff, 0xff, 0x07],
      [-(2 ** 31), 0x80, 0x80, 0x80, 0x80, 0x78],
    ]
  ) assert.deepEqual(constant(value), bytes, `${value}`);
  const locals = new FunctionBody(3);
  assert.deepEqual([locals.local(0x7f), locals.local(0x7b)], [3, 4]);
  assert.deepEqual(locals.get(300).finish(), [9, 2, 1, 0x7f, 1, 0x7b, 0x20, 0xac, 0x02, 0x0b]);
});

Deno.test("the smallest private threshold of a ring is the one that was found when its tails were last exact", () => {
  const found = (["curious", "strict"] as const).map((profile) =>
    [80, 120, 200, 333, 500, 777, 2000, 9000].map((n) =>
      [10, 24, 40, 70].map((degree) =>
        [20_000, 100_000, 300_000].map((gammaMillionths) =>
          smallestRingThreshold(n, degree, { profile, gammaMillionths, colluders: 1 })
        ).join("/")
      ).join(" ")
    )
  );
  assert.deepEqual(found, THRESHOLDS);
});

/** By profile and size: for degrees 10, 24, 40 and 70 with 2, 10 and 30 percent corrupt sites. */
const THRESHOLDS: readonly (readonly string[])[] = [[
  "2/9/11 2/9/22 2/9/25 2/9/25",
  "3/11/11 3/13/24 3/13/31 3/13/37",
  "5/11/11 5/17/25 5/20/34 5/21/46",
  "7/11/11 7/18/25 7/22/35 7/28/50",
  "9/11/11 11/19/25 11/24/36 11/30/52",
  "9/11/11 12/19/25 13/24/36 15/32/53",
  "10/11/11 13/20/25 15/26/37 18/34/54",
  "10/11/11 14/21/25 16/26/38 20/35/55",
], [
  "7/11/11 14/21/25 22/29/41 37/44/60",
  "8/11/11 15/25/25 23/33/41 38/48/70",
  "10/11/11 17/25/25 25/40/41 40/56/71",
  "11/11/11 19/25/25 27/41/41 42/63/71",
  "11/11/11 23/25/25 31/41/41 46/65/71",
  "11/11/11 25/25/25 36/41/41 51/65/71",
  "11/11/11 25/25/25 38/41/41 56/67/71",
  "11/11/11 25/25/25 38/41/41 57/67/71",
]];

Deno.test("a kind of share or of roster entry that is not known is refused, and not read as the last known one", () => {
  const [sid, hash] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const signature = new Uint8Array(64).fill(3);
  const unmask = (kind: "mask_seed" | "mask_key"): Message => ({
    ...{ type: "unmask", sid, index: 1, signature },
    shares: [{ peer: 2, kind, share: hash }],
  });
  const leaf: Message = { type: "roster", configHash: hash, entries: [{ kind: "leaf", leaf: sid }] };
  const [seed, key, roster] = [unmask("mask_seed"), unmask("mask_key"), leaf].map(encodeMessage);
  const atShare = seed.findIndex((byte, i) => byte !== key[i]);
  const atEntry = roster.length - 33;
  assert.deepEqual([seed[atShare], key[atShare], roster[atEntry]], [0, 1, 0]);
  for (const [bytes, at] of [[seed, atShare], [roster, atEntry]] as const) {
    for (const kind of [2, 3, 255]) {
      assert.throws(() => decodeMessage(bytes.with(at, kind)), {
        reason: "malformed_message",
        message: /kind/,
      });
    }
  }
});

Deno.test("medianOf() is the middle one, the upper of two, and 0 of none; the list stays as it is", () => {
  const values = [5, 1, 9, 3, 7, 8, 2];
  assert.equal(medianOf(values), 5);
  assert.deepEqual(values, [5, 1, 9, 3, 7, 8, 2]);
  assert.equal(medianOf([4, 1, 10, 2]), 4);
  assert.equal(medianOf([]), 0);
});
