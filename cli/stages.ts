/** What people read for each stage of progress. */
export const STAGES: Readonly<Record<string, string>> = {
  synthesize: "Making synthetic data",
  memory: "Memory of the base model",
  pretrain: "Pre-training on public",
  join: "Sites joined",
  accept: "Sites accepted the plan",
  step: "Private aggregation steps",
  site_evaluation: "Evaluating at the sites",
  inject: "Injecting with M3OE",
  evaluate: "Evaluating on test",
  predict: "Answering records",
  audit: "Auditing with canaries",
};
