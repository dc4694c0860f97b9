import { runProgram } from "./_program.ts";

await runProgram({
  name: "fedkim-aggregator",
  verb: "aggregator",
  verbs: ["aggregator", "enroll", "dashboard", "inject", "evaluate", "verify", "privacy-report", "doctor"],
});
