import { ERROR_EXIT_STATUS, type ErrorCode, FedKimError } from "../src/formats/errors.ts";
import { missingPermission } from "../src/formats/missing_permission.ts";
import type { Command } from "./args.ts";
import { howToGoOn } from "./signals.ts";
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
    case "withdraw":
      return (await import("./withdraw.ts")).withdraw(command);
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
    case "verify audit":
      return (await import("./verify.ts")).verify(command);
    case "simulate":
      return (await import("./simulate.ts")).simulate(command);
    case "doctor":
      return (await import("./doctor.ts")).doctor(command);
  }
}

/**
 * Runs a verb; on failure says one clear sentence, with `--json` also as one document on stdout, and gives the exit
 * status of `docs/errors.md`.
 */
export async function runCommand(command: Command): Promise<number> {
  try {
    await dispatch(command);
    return 0;
  } catch (error) {
    const { code, message, trace } = failureOf(error, command);
    out.note(`${paint("red", code)}: ${trace ?? message}`);
    // A verb that has printed its document, such as doctor, has said there what failed.
    if (command.json && !out.hasResult) out.result(JSON.stringify({ error: { code, message } }));
    return ERROR_EXIT_STATUS[code];
  }
}

/** What is said about a failure; the stack trace only of a defect. */
function failureOf(thrown: unknown, command: Command): { code: ErrorCode; message: string; trace?: string } {
  const error = missingPermission(thrown) ?? thrown;
  if (error instanceof FedKimError) return { code: error.code, message: error.message };
  if (error instanceof DOMException && error.name === "AbortError") {
    return { code: "Interrupted", message: `Stopped on request. ${howToGoOn(command)}` };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { code: "InternalError", message, ...(stack === undefined ? {} : { trace: stack }) };
}
