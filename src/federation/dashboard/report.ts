import { buildReport, renderHtml, type ReportInput } from "../../dp/mod.ts";
import { withEvaluation } from "../evaluation_report.ts";
import { UNACCOUNTED_RELEASES } from "../unaccounted.ts";
import type { FederationPlan } from "../federation_plan.ts";
import type { SiteRow, Snapshot } from "./snapshot.ts";

/** Pages that are kept: a report takes a second of accounting, and anybody who is signed in may ask again and again. */
const KEPT = 16;

/**
 * The privacy budget report as far as the aggregator knows it: what the signed plan promises after the steps that have
 * begun, what sites have stated of their ledgers, and where the other ledgers stand by their countersigned heads.
 */
export class ReportPages {
  readonly #pages = new Map<string, string>();

  /**
   * The page of the present state; made once for as long as nothing of it changes.
   * @param snapshot the present state
   * @param plan the signed plan
   * @param sites whose ledgers are shown: all for an operator, itself for a site
   */
  page(snapshot: Snapshot, plan: FederationPlan, sites: readonly SiteRow[]): string {
    const begun = Math.max(snapshot.live?.round ?? 0, snapshot.history[0]?.round ?? 0);
    const { steps } = plan.dp.request;
    const facts = {
      steps: begun > 0 ? Math.min(begun, steps) : steps,
      statements: sites.flatMap(({ statement }) => statement === undefined ? [] : [statement]),
      elsewhere: sites.map(({ site, steps, head }) => ({
        site,
        steps,
        ...(head === undefined ? {} : { head }),
      })),
    };
    const key = JSON.stringify([snapshot.planHash, facts]);
    const page = this.#pages.get(key) ?? render(snapshot.federation, plan, facts);
    this.#pages.delete(key);
    this.#pages.set(key, page);
    if (this.#pages.size > KEPT) this.#pages.delete(this.#pages.keys().next().value!);
    return page;
  }
}

function render(
  federation: string,
  plan: FederationPlan,
  facts: Pick<ReportInput, "steps" | "statements" | "elsewhere">,
): string {
  const report = buildReport({
    ...facts,
    title: `Federation ${federation}`,
    plan: plan.dp,
    ledgers: [],
    unaccounted: [...UNACCOUNTED_RELEASES],
    groups: [],
    generatedAt: new Date().toISOString(),
  });
  return renderHtml(withEvaluation(report, plan.evaluation), "../dashboard");
}
