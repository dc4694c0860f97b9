import assert from "node:assert/strict";
import { operatorSections } from "../../../src/federation/dashboard/operator_page.tsx";
import type { SiteRow, Snapshot } from "../../../src/federation/dashboard/snapshot.ts";
import { snapshot } from "./_snapshot.ts";

Deno.test("subgroups of the sites' own evaluation stand on the operator's page, suppressed ones without figures", async () => {
  const estimate = { value: 0.71, low: 0.62, high: 0.8 };
  const figures = { auroc: estimate, accuracy: null, brier: null, calibrationInTheLarge: null };
  const counted = { n: { value: 120 }, positives: { value: 31 } };
  const crossSite = {
    sites: 4,
    minimumCount: 20,
    privacy: [{ population: "held_out", unit: "patient", epsilon: 1, delta: 1e-5 }],
    tasks: {
      icu_shock: {
        calibrated: true,
        noise: 2,
        groups: [
          {
            dimension: "all",
            level: "all",
            suppressed: false,
            figures: { ...counted, ...figures },
            bins: [],
          },
          { dimension: "sex", level: "<f> | x", suppressed: true, reason: "below_minimum_count" },
        ],
      },
    },
  } as unknown as NonNullable<Snapshot["crossSite"]>;
  const page = String(await operatorSections({ ...snapshot, crossSite }));
  assert.match(page, /held-out patients[\s\S]*icu_shock[\s\S]*0\.710 \(0\.620 to 0\.800\)/);
  assert.match(page, /sex: &lt;f&gt; \| x<\/td><td>too few/);
  assert.doesNotMatch(String(await operatorSections(snapshot)), /held-out/);
});

Deno.test("the operator's page names who is waited for and who has dropped out, and says how many are in each sum", async () => {
  const site = (name: string, state: SiteRow["state"]): SiteRow => ({
    ...{ site: name, role: "site", state, software: undefined, lastSeen: undefined, steps: 3 },
    ...{ head: undefined, statement: undefined },
  });
  const page = String(
    await operatorSections({
      ...snapshot,
      sites: [site("a", "present"), site("b", "present"), site("c", "away"), site("late", "enrolled")],
      live: { round: 4, phase: "masked_input", answered: ["a"], expected: ["a", "b"] },
      history: [
        { round: 3, sites: 3, error: undefined },
        { round: 2, sites: undefined, error: "too few sites" },
        { round: 1, sites: 4, error: undefined },
      ],
    }),
  );
  assert.match(page, /<dd id="waiting">b<\/dd>/);
  assert.match(page, /<dd id="dropped">c<\/dd>/);
  assert.match(page, /3<\/th><td>3 of 4<\/td><td>summed without those that dropped out/);
  assert.match(page, /2<\/th><td>–<\/td><td>too few sites/);
  assert.match(page, /1<\/th><td>4 of 4<\/td><td>summed</);
  assert.match(page, /1 of 2/, "answered in this phase");
});
