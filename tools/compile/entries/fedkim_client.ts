import { runProgram } from "./_program.ts";

await runProgram({
  name: "fedkim-client",
  verb: "client",
  verbs: [
    "client",
    "enroll",
    "policy",
    "withdraw",
    "dashboard",
    "dataset",
    "predict",
    "privacy-report",
    "doctor",
  ],
});
