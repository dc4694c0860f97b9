import assert from "node:assert/strict";
import { splitPublic } from "../../src/federation/public_split.ts";
import { madeUpSite } from "../local/_fixtures.ts";

Deno.test("five folds hold out every public patient once, and never split one", () => {
  const data = madeUpSite(1, Array.from({ length: 60 }, (_, index) => 1 + index % 3));
  const seen = new Map<string, number>();
  for (const fold of [0, 1, 2, 3, 4]) {
    const { train, validation } = splitPublic(data, fold);
    for (const [index, set] of validation.sets.entries()) {
      const trained = new Set(train.sets[index].records.map(({ patient }) => patient));
      const held = new Set(set.records.map(({ patient }) => patient));
      for (const patient of held) {
        assert.ok(!trained.has(patient));
        seen.set(`${set.name}/${patient}`, (seen.get(`${set.name}/${patient}`) ?? 0) + 1);
      }
      assert.equal(
        trained.size + held.size,
        new Set(data.sets[index].records.map(({ patient }) => patient)).size,
      );
    }
  }
  assert.equal(seen.size, 60 * data.sets.length);
  assert.ok([...seen.values()].every((count) => count === 1));
});
