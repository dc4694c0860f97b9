import { dashboardLink, shareLedger } from "../src/federation/mod.ts";
import { outboundOf } from "./_outbound.ts";
import type { Options } from "./args.ts";
import { untilInterrupted } from "./signals.ts";
import { out } from "./terminal.ts";

/** `fedkim dashboard`: a one-time link that opens the aggregator's pages as the member of a state folder. */
export async function dashboard(options: Options<"dashboard">): Promise<void> {
  const { state, shareLedger: share, json } = options;
  const outbound = outboundOf(options);
  const signal = untilInterrupted();
  const ledgerEntry = share ? await shareLedger(state, signal, outbound) : undefined;
  const url = await dashboardLink(state, signal, outbound);
  out.result(json ? JSON.stringify({ url, ledgerEntry }) : url);
  if (ledgerEntry !== undefined) {
    out.note(`The aggregator knows this ledger's budgets as of entry ${ledgerEntry}.`);
  }
  out.note("The link opens once, within five minutes.");
}
