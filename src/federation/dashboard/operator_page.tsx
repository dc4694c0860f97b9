/** @jsxImportSource hono/jsx */
import { upperBoundText as upper } from "../../dp/mod.ts";
import { crossSiteTable } from "../site_evaluation/mod.ts";
import { epsilonFigure, learningFigure, type Markup, routingFigure } from "./figures.tsx";
import { reportLink, table } from "./parts.tsx";
import { epsilonAfter, type Snapshot } from "./snapshot.ts";

/** Audit entries and steps that are listed at once. */
const LISTED = 25;

/** Everything about the federation, for operators and auditors. */
export function operatorSections(snapshot: Snapshot): Markup {
  const {
    stage,
    steps,
    planHash,
    cohort,
    live,
    history,
    learning,
    routing,
    artefacts,
    audit,
    epsilon,
    delta,
  } = snapshot;
  const budget = Math.max(0, ...epsilon.map(({ points }) => points.at(-1)?.[1] ?? 0)) || undefined;
  return (
    <>
      <section aria-labelledby="now">
        <h2 id="now">Now</h2>
        <dl class="facts">
          <dt>Stage</dt>
          <dd id="stage">{stage}</dd>
          <dt>Step</dt>
          <dd id="step">
            {live === undefined ? `${history[0]?.round ?? 0} done` : `${live.round} in progress`}
            {steps === undefined ? "" : ` of ${steps}`}
          </dd>
          <dt>Phase</dt>
          <dd>{live === undefined ? "none" : live.phase.replaceAll("_", " ")}</dd>
          <dt>Answered in this phase</dt>
          <dd>{live === undefined ? "–" : `${live.answered.length} of ${live.expected.length}`}</dd>
          <dt>Waiting for</dt>
          <dd id="waiting">{waitingFor(live)}</dd>
          <dt>Dropped out of this step</dt>
          <dd id="dropped">{droppedOut(snapshot)}</dd>
          <dt>Plan</dt>
          <dd class="hash">{planHash ?? "not signed yet"}</dd>
        </dl>
      </section>
      <section aria-labelledby="sites">
        <h2 id="sites">Sites</h2>
        {sitesTable(snapshot)}
      </section>
      <section aria-labelledby="privacy">
        <h2 id="privacy">Privacy of the schedule</h2>
        {epsilonFigure(epsilon, budget)}
        <p class="note">
          {delta === undefined ? "" : `Delta ${delta}. `}
          The bound of a site counts the steps that it has charged to its ledger. {reportLink(planHash)}
        </p>
      </section>
      <section aria-labelledby="learning-title">
        <h2 id="learning-title">Learning curves</h2>
        {learningFigure(learning)}
      </section>
      <section aria-labelledby="rounds">
        <h2 id="rounds">Steps</h2>
        {table(
          "Newest steps",
          ["Step", "Sites in the sum", "Outcome"],
          history.slice(0, LISTED).map(({ round, sites, error }) => [
            String(round),
            sites === undefined ? "–" : `${sites}${cohort === undefined ? "" : ` of ${cohort}`}`,
            error ?? (sites === cohort ? "summed" : "summed without those that dropped out"),
          ]),
        )}
      </section>
      <section aria-labelledby="gate">
        <h2 id="gate">Gate of the injected model</h2>
        {routingFigure(routing)}
      </section>
      <section aria-labelledby="results">
        <h2 id="results">Results on test</h2>
        {resultsTable(snapshot)}
      </section>
      {crossSiteSection(snapshot)}
      <section aria-labelledby="artefacts">
        <h2 id="artefacts">Artefacts</h2>
        {table(
          "Files of the run",
          ["Name", "Bytes", "SHA-256"],
          artefacts.map(({ name, size, hash }) => [name, String(size), hash]),
        )}
      </section>
      <section aria-labelledby="audit">
        <h2 id="audit">Audit log</h2>
        {table(
          "Newest entries",
          ["Number", "Time (UTC)", "Who", "What", "Details"],
          audit.slice(0, LISTED).map(({ sequence, time, actor, event, details }) => [
            String(sequence),
            time.slice(0, 19).replace("T", " "),
            actor,
            event.replaceAll("_", " "),
            Object.entries(details).map(([key, value]) => `${key} ${value}`).join(", "),
          ]),
        )}
      </section>
    </>
  );
}

/** Names of those that have not answered in the phase that is open. */
function waitingFor(live: Snapshot["live"]): string {
  const missing = live?.expected.filter((site) => !live.answered.includes(site)) ?? [];
  return missing.join(", ") || "nobody";
}

/** Names of those that take part in the plan and may not answer any more in the step that is open. */
function droppedOut({ live, sites }: Snapshot): string {
  if (live === undefined) return "–";
  const gone = sites.filter(({ site, state }) =>
    ["accepted", "present", "away"].includes(state) && !live.expected.includes(site)
  );
  return gone.map(({ site }) => site).join(", ") || "nobody";
}

function sitesTable({ sites, epsilon, steps }: Snapshot): Markup {
  return table(
    "Members",
    [
      "Name",
      "Role",
      "State",
      "Software",
      "Last seen (UTC)",
      "Steps charged",
      "Epsilon spent",
      "Forecast",
      "Ledger entry",
      "Ledger stated",
    ],
    sites.map((row) => [
      row.site,
      row.role,
      row.state,
      row.software ?? "–",
      row.lastSeen === undefined ? "–" : new Date(row.lastSeen).toISOString().slice(0, 19).replace("T", " "),
      row.role === "site" ? `${row.steps}${steps === undefined ? "" : ` of ${steps}`}` : "–",
      row.role === "site" && epsilon.length > 0
        ? upper(Math.max(...epsilon.map((curve) => epsilonAfter(curve, row.steps))))
        : "–",
      row.role === "site" && epsilon.length > 0
        ? upper(Math.max(...epsilon.map(({ points }) => points.at(-1)?.[1] ?? 0)))
        : "–",
      row.head === undefined ? "–" : String(row.head.sequence),
      row.role !== "site" ? "–" : row.statement === undefined ? "no" : `entry ${row.statement.head.sequence}`,
    ]),
  );
}

/** The sites' own evaluation, in the words of the model card: a sentence, and a row for each task and subgroup. */
function crossSiteSection({ crossSite }: Snapshot): Markup | null {
  if (crossSite === undefined) return null;
  const { said, head, rows } = crossSiteTable(crossSite);
  return (
    <section aria-labelledby="held-out">
      <h2 id="held-out">Results on the sites' held-out patients</h2>
      <p class="note">{said}</p>
      {table("Tasks and subgroups", head, rows)}
    </section>
  );
}

function resultsTable({ results }: Snapshot): Markup {
  if (results === undefined) return <p class="note">The evaluation has not run yet.</p>;
  return table(
    "Injected model on the test folder",
    ["Task", "Role", "Records", "AUROC", "95 % interval"],
    Object.entries(results).flatMap(([task, result]) =>
      result.type !== "binary" ? [] : [[
        task,
        result.role,
        String(result.n),
        result.auroc === null ? "–" : result.auroc.toFixed(3),
        result.aurocInterval === null ? "–" : result.aurocInterval.map((end) => end.toFixed(3)).join(" to "),
      ]]
    ),
  );
}
