/// <reference lib="webworker" />
import type { WatchMessage } from "./watch.ts";

/** Ends the process where one input takes longer than it may, and keeps that input. */
self.onmessage = ({ data: { shared, path, seconds } }: MessageEvent<WatchMessage>): void => {
  const head = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, 8);
  let last = 0;
  let since = performance.now();
  setInterval(() => {
    const now = Atomics.load(head, 0);
    if (now !== last) {
      last = now;
      since = performance.now();
    } else if (now !== 0 && performance.now() - since > 1000 * seconds) {
      Deno.writeFileSync(path, bytes.slice(0, Atomics.load(head, 1)));
      Deno.kill(Deno.pid, "SIGKILL");
    }
  }, 100);
};
