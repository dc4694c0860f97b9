import { buildReport, renderHtml, renderMarkdown, renderTerminal } from "../../../src/dp/mod.ts";
import { openLedger, readLedger, verifyAccountingFile } from "../../../src/dp/mod.ts";
import { sealRecord } from "../../../src/dp/ledger/chain.ts";
import type { LedgerHead, RecordBody } from "../../../src/dp/ledger/types.ts";
import { canonicalJson } from "../../../src/formats/canonical_json.ts";
import { BUDGETS, charges, PLAN_HASH, SCHEDULES } from "../../../tests/dp/_ledger_plan.ts";
import { type FuzzTarget, jsonBytes, law, textOf, utf8 } from "../target.ts";
import { asFile, freshPath } from "./scratch.ts";

/** A ledger as the product writes it. */
async function ledgerSeed(): Promise<Uint8Array> {
  const path = freshPath();
  {
    using ledger = await openLedger(path, { site: "a", budgets: BUDGETS });
    await ledger.commit({ planHash: PLAN_HASH, schedules: SCHEDULES });
    await ledger.charge({ planHash: PLAN_HASH, round: 0, charges });
  }
  const bytes = await Deno.readFile(path);
  await Deno.remove(path);
  return bytes;
}

/** Bodies of records, sealed anew: a ledger whose chain is right and whose content may be anything. */
function sealed(bodies: readonly unknown[]): string {
  let head: LedgerHead | undefined;
  return bodies.map((body) => {
    const record = sealRecord(body as RecordBody, head);
    head = record;
    return canonicalJson(record) + "\n";
  }).join("");
}

/** What every report makes of a ledger. */
async function report(path: string): Promise<void> {
  const status = await readLedger(path);
  for (const { spent } of status.populations) {
    law(spent >= 0, "an epsilon that is no bound");
  }
  const built = buildReport({
    title: "t",
    ledgers: [status],
    audits: [],
    unaccounted: [],
    groups: [],
    generatedAt: "2026-11-23T00:00:00Z",
  });
  for (const text of [renderHtml(built), renderMarkdown(built), renderTerminal(built)]) {
    law(!/<script>alert/.test(text), "markup of the ledger in the page");
  }
}

/** The privacy ledger, its report, and accounting files of other programs. */
export const LEDGER_TARGETS: readonly FuzzTarget[] = [
  {
    name: "ledger_bytes",
    kind: "bytes",
    seeds: async () => [await ledgerSeed()],
    parse: async (input) => await report(asFile("ledger.jsonl", input)),
  },
  {
    name: "ledger_content",
    kind: "json",
    words: ["<script>alert(1)</script>"],
    seeds: async () => {
      const lines = textOf(await ledgerSeed()).trimEnd().split("\n").map((line) => JSON.parse(line));
      return [jsonBytes(lines.map(({ sequence: _, previous: __, hash: ___, salt: ____, ...body }) => body))];
    },
    parse: async (input) => {
      let text: string;
      try {
        text = sealed(JSON.parse(textOf(input)));
      } catch {
        return;
      }
      await report(asFile("ledger.jsonl", utf8(text)));
    },
  },
  {
    name: "accounting_file",
    kind: "json",
    words: ["Infinity", "NaN", "-Infinity"],
    seeds: () =>
      Promise.resolve([jsonBytes({
        rows: [{
          id: "r1",
          composition: { type: "gaussian", sigma: 2 },
          accountant: { name: "rdp" },
          query: "epsilon",
          delta: 1e-5,
          epsilon: 2.2,
          neighboring: "add_or_remove_one",
        }],
      })]),
    parse: (input) => void verifyAccountingFile(textOf(input)),
  },
];
