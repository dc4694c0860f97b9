import assert from "node:assert/strict";
import { readChain, sealRecord, tornLine } from "../../src/dp/ledger/chain.ts";
import type { LedgerRecord, RecordBody } from "../../src/dp/ledger/types.ts";
import { BUDGETS } from "./_ledger_plan.ts";

const AT = "2026-11-23T00:00:00Z";
const OPEN = { type: "open", format: "fedkim-ledger/1", site: "a", budgets: [], at: AT } as const;
const encode = (text: string) => new TextEncoder().encode(text);
const TORN = encode('{"type":"cha');
const line = (record: LedgerRecord) => JSON.stringify(record) + "\n";

/** A first record, a torn line, and a record that accounts for torn lines. */
function ledger(lines: readonly { bytes: number; sha256: string }[]): Uint8Array {
  const first = sealRecord(OPEN, undefined);
  const torn = sealRecord({ type: "torn", lines, charges: [], at: AT }, first);
  return encode(line(first) + new TextDecoder().decode(TORN) + "\n" + line(torn));
}

Deno.test("a torn line in the middle is accepted only where the next record names exactly it", () => {
  const { records, torn } = readChain(ledger([tornLine(TORN)]));
  assert.deepEqual(records.map(({ type }) => type), ["open", "torn"]);
  assert.deepEqual(torn, []);
  const other = tornLine(encode("other"));
  for (const named of [[], [other], [tornLine(TORN), other], [{ ...tornLine(TORN), bytes: 1 }]]) {
    assert.throws(() => readChain(ledger(named)), { code: "LedgerError" }, JSON.stringify(named));
  }
});

Deno.test("torn lines that no record accounts for may stand at the end only, and never make up a whole file", () => {
  const open = sealRecord(OPEN, undefined);
  const first = line(open);
  assert.equal(readChain(encode(`${first}{"a\n{"b`)).torn.length, 2);
  const after = line(sealRecord({ type: "budget", changes: [], at: AT }, open));
  assert.throws(() => readChain(encode(`${first}{"a\n${after}`)), { code: "LedgerError" });
  assert.equal(readChain(encode('{"a')).torn.length, 1);
  assert.throws(() => readChain(encode('{"a\n{"b')), { code: "LedgerError" });
});

Deno.test("every place of the chain is fixed: sequence, previous hash, own hash", () => {
  const first = sealRecord(OPEN, undefined);
  assert.deepEqual([first.sequence, first.previous], [0, "0".repeat(64)]);
  const body: RecordBody = {
    type: "budget",
    changes: [{ population: "icu", from: null, to: { ...BUDGETS[0], filter: { type: "signed_schedule" } } }],
    at: AT,
  };
  const second = sealRecord(body, first);
  assert.deepEqual([second.sequence, second.previous], [1, first.hash]);
  assert.equal(readChain(encode(line(first) + line(second))).records.length, 2);
  const refused = [
    line(second),
    line(first) + line(first),
    line(first) + line(sealRecord(body, { sequence: 1, hash: first.hash })),
    line(first) + line(sealRecord(body, { sequence: 0, hash: "0".repeat(64) })),
    line(first) + line({ ...second, at: "2027-11-23T00:00:00Z" }),
    line(first) + "null\n",
    line(first) + "[]\n",
  ];
  for (const text of refused) assert.throws(() => readChain(encode(text)), { code: "LedgerError" }, text);
  const whole = line(first) + line(second);
  assert.deepEqual([readChain(encode(whole)).unterminated, readChain(encode(whole.trimEnd())).unterminated], [
    false,
    true,
  ]);
});
