// Charges rounds as fast as it can and says so after each one; a test kills it.
import { openLedger } from "../../src/dp/mod.ts";
import { BUDGETS, charges, PLAN_HASH, SCHEDULES } from "./_ledger_plan.ts";

const [path, first] = Deno.args;
const ledger = await openLedger(path, { site: "midwest", budgets: BUDGETS });
await ledger.commit({ planHash: PLAN_HASH, schedules: SCHEDULES });
const encoder = new TextEncoder();
Deno.stdout.writeSync(encoder.encode("ready\n"));
for (let round = Number(first);; round++) {
  await ledger.charge({ planHash: PLAN_HASH, round, charges });
  Deno.stdout.writeSync(encoder.encode(`${round}\n`));
}
