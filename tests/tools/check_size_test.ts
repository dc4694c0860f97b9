import assert from "node:assert/strict";
import { checkSize } from "../../tools/check_size.ts";
import { withTree } from "./_tree.ts";

const lines = (count: number) => "//\n".repeat(count);

Deno.test("small files with snake_case names have no faults, and the longest come first", async () => {
  const { faults, median, longest } = await withTree(
    { "src/a/ring_vector.ts": lines(80), "src/a/_private.ts": lines(500), "cli/main.ts": lines(20) },
    checkSize,
  );
  assert.deepEqual(faults, []);
  assert.equal(median, 80);
  assert.deepEqual(longest[0], { path: "src/a/_private.ts", lines: 500 });
});

Deno.test("checkSize() refuses a file of 501 lines", async () => {
  const { faults } = await withTree({ "tests/long_test.ts": lines(501) }, checkSize);
  assert.match(faults.join(), /tests\/long_test.ts has 501 lines/);
});

Deno.test("checkSize() refuses names that are not snake_case", async () => {
  for (const name of ["ringVector.ts", "ring-vector.ts", "Ring.ts", "ring.test.ts"]) {
    const { faults } = await withTree({ [`src/a/${name}`]: lines(3) }, checkSize);
    assert.match(faults.join(), /not snake_case/, name);
  }
});

Deno.test("checkSize() refuses a product whose median file is long, however long the tests are", async () => {
  const long = await withTree(
    { "src/a.ts": lines(130), "src/b.ts": lines(140), "src/c.ts": lines(5) },
    checkSize,
  );
  assert.match(long.faults.join(), /median file has 130 lines/);
  const tests = await withTree(
    { "src/a.ts": lines(50), "tests/a.ts": lines(400), "tests/b.ts": lines(400) },
    checkSize,
  );
  assert.deepEqual(tests.faults, []);
});
