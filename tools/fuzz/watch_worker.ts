/// <reference lib="webworker" />
import { cpuUsage } from "node:process";
import type { WatchMessage } from "./watch.ts";

/** Processor time of the whole process, seconds: the clock on the wall also runs while other programs do. */
function cpuSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

/** How many times longer on the clock: an input may also wait for ever without computing. */
const WAITING = 8;

/** Ends the process where one input takes longer than it may, and keeps that input. */
self.onmessage = ({ data: { shared, path, seconds } }: MessageEvent<WatchMessage>): void => {
  const head = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, 8);
  let last = 0;
  let since = performance.now(), cpuSince = cpuSeconds();
  setInterval(() => {
    const now = Atomics.load(head, 0);
    if (now !== last) {
      last = now;
      [since, cpuSince] = [performance.now(), cpuSeconds()];
    } else if (
      now !== 0 &&
      (cpuSeconds() - cpuSince > seconds || performance.now() - since > 1000 * WAITING * seconds)
    ) {
      Deno.writeFileSync(path, bytes.slice(0, Atomics.load(head, 1)));
      Deno.kill(Deno.pid, "SIGKILL");
    }
  }, 100);
};
