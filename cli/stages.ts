/** What people read for each stage of progress. */
export const STAGES: Readonly<Record<string, string>> = {
  synthesize: "Making synthetic data",
  pretrain: "Pre-training on public",
  join: "Sites joined",
  accept: "Sites accepted the plan",
  step: "Private aggregation steps",
  inject: "Injecting with M3OE",
  evaluate: "Evaluating on test",
  predict: "Answering records",
  audit: "Auditing with canaries",
};
