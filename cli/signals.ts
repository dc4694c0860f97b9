import type { Command } from "./args.ts";

/**
 * Aborts at the first Ctrl-C or SIGTERM; a second one ends the process at once.
 * @param atOnce called before the process ends at once, e.g. to stop children
 */
export function untilInterrupted(atOnce: () => void = () => {}): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) {
      atOnce();
      Deno.exit(130);
    }
    controller.abort(new DOMException("stopped by a signal", "AbortError"));
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  return controller.signal;
}

/** What a stopped command leaves behind, and how to go on. */
export function howToGoOn({ verb }: Pick<Command, "verb">): string {
  switch (verb) {
    case "client":
      return "What the ledger was charged stays charged; start the same command again, and the site joins at the next step.";
    case "aggregator":
      return "Every finished step and every message is kept, and sites wait for it: the same command goes on with the run.";
    case "demo":
      return "Nothing of it goes on; the run folder keeps its logs. Start the same command again for a new run.";
    case "foundation pretrain":
    case "inject":
    case "dataset import":
      return "Nothing unfinished was left in the result; the same command starts anew.";
    default:
      return "The same command starts anew.";
  }
}
