import assert from "node:assert/strict";
import { acceptedInterval, accountingRows, lowerBounds, verifyAccountingFile } from "../../src/dp/mod.ts";
import { goldenText } from "./_helpers.ts";

Deno.test("every golden row is answered within the file's own acceptance rule", () => {
  const { rows } = verifyAccountingFile(goldenText);
  assert.equal(rows.length, 420);
  const wrong = rows.filter((row) => !("accepted" in row) || row.accepted !== true);
  assert.deepEqual(wrong, []);
});

Deno.test("the acceptance rule of a golden row refuses an answer that is a tenth too small", () => {
  const rows = accountingRows(goldenText);
  const bounds = lowerBounds(rows);
  const refused = rows.filter((row) => {
    if (row.accountant?.name !== "pld" || row.query !== "epsilon_at_delta") return false;
    const interval = acceptedInterval(row, bounds)!;
    return interval.low > 0.9 * Number(row.epsilon) - 1e-12;
  });
  // Rows with a tiny epsilon are accepted from 0; all others notice.
  assert.ok(refused.length > 100, `${refused.length} rows`);
});

Deno.test("a golden row that asks something unknown carries an error, never a number", () => {
  const { rows } = verifyAccountingFile({
    rows: [
      {
        id: "a",
        composition: { type: "magic" },
        query: "epsilon_at_delta",
        delta: 1e-5,
        accountant: { name: "pld" },
      },
      { id: "b", query: "oracle" },
      {
        id: "c",
        composition: { type: "gaussian", sigma: -1 },
        accountant: { name: "rdp" },
        query: "epsilon_at_delta",
        delta: 1e-5,
        neighboring: "add_or_remove_one",
      },
      {
        id: "d",
        composition: { type: "gaussian", sigma: 1 },
        accountant: { name: "rdp" },
        query: "epsilon_at_delta",
        delta: 1e-5,
        neighboring: null,
      },
    ],
  });
  assert.deepEqual(rows.map((row) => "error" in row), [true, true, true, true]);
});

Deno.test("verifyAccountingFile() refuses a file without rows", () => {
  for (const file of ["{", "{}", '{"rows":[1]}', null, 7]) {
    assert.throws(() => verifyAccountingFile(file), { code: "FormatError" });
  }
});
