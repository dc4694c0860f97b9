/** @jsxImportSource hono/jsx */
import { lowerBoundText as lower, upperBoundText as upper } from "../../dp/mod.ts";
import type { Markup } from "./figures.tsx";
import { reportLink, table } from "./parts.tsx";
import { epsilonAfter, type SiteRow, type Snapshot } from "./snapshot.ts";

/** What a site may see: itself, and nothing of the others but their number. */
export function siteSections(snapshot: Snapshot, row: SiteRow): Markup {
  const { stage, steps, live, epsilon, delta, sites, planHash } = snapshot;
  return (
    <>
      <section aria-labelledby="self">
        <h2 id="self">This site</h2>
        <dl class="facts">
          <dt>State</dt>
          <dd>{row.state}</dd>
          <dt>Software</dt>
          <dd>{row.software ?? "not told yet"}</dd>
          <dt>Steps charged</dt>
          <dd id="step">{row.steps}{steps === undefined ? "" : ` of ${steps}`}</dd>
          <dt>Federation</dt>
          <dd id="stage">{stage}{live === undefined ? "" : `, step ${live.round}`}</dd>
          <dt>Sites in the federation</dt>
          <dd>{sites.filter(({ role }) => role === "site").length}</dd>
        </dl>
      </section>
      <section aria-labelledby="privacy">
        <h2 id="privacy">Privacy spent here</h2>
        {table(
          "Upper bounds",
          ["Set", "Whose presence is hidden", "Spent so far", "Whole schedule", "Delta"],
          epsilon.map((curve) => [
            curve.population,
            `one ${curve.unit}`,
            upper(epsilonAfter(curve, row.steps)),
            upper(curve.points.at(-1)?.[1] ?? 0),
            String(delta ?? ""),
          ]),
        )}
        <p class="note">
          This is what the aggregator counts. This site's own ledger decides: compare its newest entry with
          the countersigned one, and print its report on the machine where it lies with{" "}
          <code>fedkim privacy-report STATE/ledger.jsonl --html report.html</code>. {reportLink(planHash)}
        </p>
      </section>
      <section aria-labelledby="ledger">
        <h2 id="ledger">This site's ledger</h2>
        <dl class="facts">
          <dt>Newest entry countersigned here</dt>
          <dd class="hash">
            {row.head === undefined ? "none yet" : `${row.head.sequence}, ${row.head.hash}`}
          </dd>
          <dt>Stated by this site</dt>
          <dd>{row.statement === undefined ? "nothing" : `as of entry ${row.statement.head.sequence}`}</dd>
        </dl>
        {row.statement === undefined
          ? (
            <p class="note">
              The ledger stays at the site. <code>fedkim dashboard --state STATE --share-ledger</code>{" "}
              tells operators and auditors its budgets and what is spent of them, and nothing else.
            </p>
          )
          : table(
            "As this site has stated it",
            ["Set", "Whose presence is hidden", "Spent", "Budget", "Left", "Steps"],
            row.statement.rows.map((set) => [
              set.population,
              `one ${set.unit}`,
              upper(set.spent),
              String(set.budget),
              lower(set.left),
              String(set.rounds),
            ]),
          )}
      </section>
    </>
  );
}
