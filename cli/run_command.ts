import { ERROR_EXIT_STATUS, FedKimError } from "../src/formats/errors.ts";
import type { Command } from "./args.ts";
import { out, paint } from "./terminal.ts";

/** Dispatches a verb to its file; a verb's libraries load only when it runs. */
async function dispatch(command: Command): Promise<void> {
  switch (command.verb) {
    case "demo":
      return (await import("./demo.ts")).demo(command);
    case "aggregator":
      return (await import("./aggregator.ts")).aggregator(command);
    case "client":
      return (await import("./client.ts")).client(command);
    case "enroll":
      return (await import("./enroll.ts")).enroll(command);
    case "policy":
      return (await import("./policy.ts")).policy(command);
    case "dashboard":
      return (await import("./dashboard.ts")).dashboard(command);
    case "privacy-report":
      return (await import("./privacy_report.ts")).privacyReport(command);
    case "dataset synthesize":
    case "dataset inspect":
    case "dataset import":
      return (await import("./dataset.ts")).dataset(command);
    case "foundation inspect":
    case "foundation generate":
    case "foundation pretrain":
      return (await import("./foundation.ts")).foundation(command);
    case "inject":
      return (await import("./inject.ts")).inject(command);
    case "evaluate":
      return (await import("./evaluate.ts")).evaluate(command);
    case "predict":
      return (await import("./predict.ts")).predict(command);
    case "verify accounting":
    case "verify decoder":
    case "verify m3oe":
      return (await import("./verify.ts")).verify(command);
    case "simulate":
      return (await import("./simulate.ts")).simulate(command);
    case "doctor":
      return (await import("./doctor.ts")).doctor(command);
  }
}

/** Runs a verb; on failure says one clear sentence and gives the exit status of `docs/errors.md`. */
export async function runCommand(command: Command): Promise<number> {
  try {
    await dispatch(command);
    return 0;
  } catch (error) {
    if (error instanceof FedKimError) {
      out.note(`${paint("red", error.code)}: ${error.message}`);
      if (command.json) out.result(JSON.stringify({ error: { code: error.code, message: error.message } }));
      return error.exitStatus;
    }
    if (error instanceof DOMException && error.name === "AbortError") {
      out.note(
        "Interrupted: stopped on request; what was charged stays charged, and the same command starts anew.",
      );
      return ERROR_EXIT_STATUS.Interrupted;
    }
    out.note(
      `${paint("red", "InternalError")}: ${
        error instanceof Error ? error.stack ?? error.message : String(error)
      }`,
    );
    return 70;
  }
}
