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
