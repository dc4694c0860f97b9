import assert from "node:assert/strict";
import { addClippedUnit } from "../../src/dp/mod.ts";

Deno.test("addClippedUnit() adds units with their own sign, in units of the clip", () => {
  const sum = Float64Array.of(1, -1, 0);
  addClippedUnit(sum, Float64Array.of(0.2, 0, -0.1), 2);
  for (const [i, expected] of [1.1, -1, -0.05].entries()) {
    assert.ok(Math.abs(sum[i] - expected) < 1e-6, `${sum}`);
  }
  addClippedUnit(sum, Float64Array.of(0, 40, 0), 2);
  assert.ok(Math.abs(sum[1]) < 1e-5, "a long unit counts one clip, upwards");
});
