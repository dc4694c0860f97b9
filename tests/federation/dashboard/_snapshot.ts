import type { Snapshot } from "../../../src/federation/dashboard/snapshot.ts";

/** The state of an aggregator to which nothing has happened yet. */
export const snapshot: Snapshot = {
  federation: "test",
  stage: "injection",
  steps: 6,
  planHash: undefined,
  cohort: 4,
  live: undefined,
  sites: [],
  history: [],
  epsilon: [],
  delta: undefined,
  learning: [],
  routing: undefined,
  results: undefined,
  crossSite: undefined,
  artefacts: [],
  audit: [],
};
