import assert from "node:assert/strict";
import { openLedger } from "../../../src/dp/mod.ts";
import { MOST_POPULATIONS } from "../../../src/formats/set_name.ts";
import { ledgerStatement, ledgerStatementOf } from "../../../src/federation/ledger_statement.ts";
import { generateIdentity } from "../../../src/secure_agg/mod.ts";
import { enroll, type Service, withService } from "../api/_service.ts";

const HASH = "a".repeat(64);

/** A statement of a fresh ledger, as JSON data. */
async function statement(site = "a"): Promise<Record<string, unknown> & { head: { sequence: number } }> {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/ledger.jsonl`;
  const promise = { unit: "patient", neighboring: "add_or_remove_one", delta: 1e-5 } as const;
  const ledger = await openLedger(path, { site, budgets: [{ population: "icu", ...promise, epsilon: 8 }] });
  ledger.close();
  const stated = await ledgerStatement(path);
  await Deno.remove(dir, { recursive: true });
  return JSON.parse(JSON.stringify(stated));
}

function tell(
  { send }: Service,
  value: unknown,
  signer?: ReturnType<typeof generateIdentity>,
): Promise<Response> {
  const how = { body: JSON.stringify(value), type: "application/json" };
  return send("POST", "/v1/ledger", signer === undefined ? how : { ...how, signer });
}

Deno.test("a site states its own ledger, a newer one replaces it, and the audit log says so once for each", async () => {
  await withService(async (service) => {
    const first = await statement();
    for (let again = 0; again < 3; again++) assert.equal((await tell(service, first)).status, 200);
    const { head: { sequence }, ...rest } = first;
    const later = { ...rest, head: { sequence: sequence + 5, hash: HASH } };
    assert.equal((await tell(service, later)).status, 200);
    assert.equal((await ledgerStatementOf(service.book, "a"))!.head.sequence, sequence + 5);
    const events = (await service.book.audit.read()).map(({ event }) => event);
    assert.equal(events.filter((event) => event === "ledger_stated").length, 2);
    assert.equal(await ledgerStatementOf(service.book, "b"), undefined);
  });
});

Deno.test("a statement about another site, of another chain, with anything else in it or from no site is refused", async () => {
  await withService(async (service) => {
    const own = await statement();
    const olga = generateIdentity("olga");
    await enroll(service.book, olga, "operator");
    await service.book.recordHead("a", { sequence: own.head.sequence, hash: HASH });
    const forked = await tell(service, own);
    assert.equal(forked.status, 409);
    assert.equal((await forked.json()).reason, "forked");
    assert.equal((await (await tell(service, await statement("b"))).json()).reason, "other_site");
    assert.equal((await tell(service, { ...own, site: "olga" }, olga)).status, 403);
    assert.equal((await tell(service, own, "nobody" as never)).status, 401);
    const [row] = own.rows as Record<string, unknown>[];
    for (
      const wrong of [
        { ...own, records: [1] },
        { ...own, rows: [{ ...row, spent: -1 }] },
        { ...own, rows: [{ ...row, spent: null }] },
        { ...own, rows: Array.from({ length: MOST_POPULATIONS + 1 }, () => row) },
        { ...own, rows: [{ ...row, population: "<script>".repeat(20) }] },
      ]
    ) {
      assert.equal((await tell(service, wrong)).status, 400);
    }
    assert.equal(await ledgerStatementOf(service.book, "a"), undefined);
  });
});
