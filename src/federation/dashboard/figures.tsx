/** @jsxImportSource hono/jsx */
import { raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import { renderPlot } from "../../dp/mod.ts";
import { routingHeatMap, type RoutingReport } from "../../m3oe/mod.ts";
import type { EpsilonCurve, LearningCurve } from "./snapshot.ts";

/** Rendered markup. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;

/** Epsilon over the steps of the schedule, with the step that has been reached. */
export function epsilonFigure(curves: readonly EpsilonCurve[], budget: number | undefined): Markup {
  if (curves.length === 0) return <p class="note">The plan is not made yet.</p>;
  return (
    <figure>
      {raw(renderPlot({
        id: "epsilon",
        title: "Epsilon against steps",
        description: "Upper bound on epsilon after each step of the signed schedule, by set.",
        xLabel: "steps",
        yLabel: "epsilon",
        labels: "ends",
        series: curves.map(({ population, points }) => ({ label: population, points: [[0, 0], ...points] })),
        ...(budget === undefined ? {} : { limit: { value: budget, label: "whole schedule" } }),
      }))}
      <figcaption>Against the server together with the colluding sites of the plan.</figcaption>
    </figure>
  );
}

/** Learning curves of all tasks. */
export function learningFigure(curves: readonly LearningCurve[]): Markup {
  if (curves.every(({ points }) => points.length < 2)) {
    return <p class="note">Curves appear after the second public validation.</p>;
  }
  return (
    <figure>
      {raw(renderPlot({
        id: "learning",
        title: "AUROC on public validation data against steps",
        description:
          "Local task heads on the public validation split; no private record is in these figures.",
        xLabel: "steps",
        yLabel: "AUROC",
        labels: "ends",
        series: curves.map(({ task, points }) => ({ label: task, points })),
      }))}
      <figcaption>Measured on public data only: no private record is in these figures.</figcaption>
    </figure>
  );
}

/** How the gate spreads tasks over experts. */
export function routingFigure(routing: RoutingReport | undefined): Markup {
  if (routing === undefined) return <p class="note">The injection has not run yet.</p>;
  return <figure>{raw(routingHeatMap(routing))}</figure>;
}
