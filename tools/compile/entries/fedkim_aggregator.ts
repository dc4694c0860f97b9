import { runProgram } from "./_program.ts";

await runProgram({
  name: "fedkim-aggregator",
  verb: "aggregator",
  verbs: ["aggregator", "enroll", "inject", "evaluate", "privacy-report", "doctor"],
});
