/** @jsxImportSource hono/jsx */
import { raw } from "hono/html";
import { epsilonFigure, learningFigure, type Markup, routingFigure } from "./figures.tsx";
import { epsilonAfter, type SiteRow, type Snapshot } from "./snapshot.ts";

/** Audit entries and steps that are listed at once. */
const LISTED = 25;

/** A whole page around some sections. */
export function page(title: string, member: string, body: Markup, live: boolean): Markup {
  return (
    <>
      {raw("<!doctype html>")}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{title}</title>
          <link rel="stylesheet" href="/dashboard/style.css" />
          {live ? <script src="/dashboard/live.js" defer></script> : null}
        </head>
        <body>
          <a class="skip" href="#main">Skip to the content</a>
          <header>
            <h1>{title}</h1>
            <p class="meta">
              Signed in as {member}.{" "}
              <span id="connection" role="status">This page was made when it was loaded.</span>
            </p>
            <form method="post" action="/dashboard/leave">
              <button type="submit">Sign out</button>
            </form>
          </header>
          <main id="main">{body}</main>
        </body>
      </html>
    </>
  );
}

/** Everything about the federation, for operators and auditors. */
export function operatorSections(snapshot: Snapshot): Markup {
  const { stage, steps, planHash, live, history, learning, routing, artefacts, audit, epsilon, delta } =
    snapshot;
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
          The bound of a site counts the steps that it has charged to its ledger.{" "}
          <a href="/dashboard/report">
            Privacy budget report
          </a>
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
            sites === undefined ? "–" : String(sites),
            error ?? "summed",
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

/** What a site may see: itself, and nothing of the others but their number. */
export function siteSections(snapshot: Snapshot, row: SiteRow): Markup {
  const { stage, steps, live, epsilon, delta, sites } = snapshot;
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
            epsilonAfter(curve, row.steps).toFixed(2),
            (curve.points.at(-1)?.[1] ?? 0).toFixed(2),
            String(delta ?? ""),
          ]),
        )}
        <p class="note">This site's own ledger decides; what the aggregator counts here is for comparison.</p>
      </section>
    </>
  );
}

function sitesTable({ sites, epsilon, steps }: Snapshot): Markup {
  return table(
    "Members",
    ["Name", "Role", "State", "Software", "Last seen (UTC)", "Steps charged", "Epsilon spent", "Forecast"],
    sites.map((row) => [
      row.site,
      row.role,
      row.state,
      row.software ?? "–",
      row.lastSeen === undefined ? "–" : new Date(row.lastSeen).toISOString().slice(0, 19).replace("T", " "),
      row.role === "site" ? `${row.steps}${steps === undefined ? "" : ` of ${steps}`}` : "–",
      row.role === "site" && epsilon.length > 0
        ? Math.max(...epsilon.map((curve) => epsilonAfter(curve, row.steps))).toFixed(2)
        : "–",
      row.role === "site" && epsilon.length > 0
        ? Math.max(...epsilon.map(({ points }) => points.at(-1)?.[1] ?? 0)).toFixed(2)
        : "–",
    ]),
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

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): Markup {
  if (rows.length === 0) return <p class="note">Nothing yet.</p>;
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{head.map((title) => <th key={title} scope="col">{title}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map(([first, ...rest]) => (
            <tr key={first}>
              <th scope="row">{first}</th>
              {rest.map((cell, column) => <td key={head[column + 1]}>{cell}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
