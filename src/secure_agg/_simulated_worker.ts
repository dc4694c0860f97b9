/**
 * Entry of a Worker that plays some of the sites of a simulated round. It is started by `playInWorker()` only, and
 * answers its orders in turn.
 *
 * @module
 */
import { cryptoRandomBytes } from "../formats/random_bytes.ts";
import { meteredProvider } from "./_metered_provider.ts";
import { type ActorStart, SimulatedActor, type SiteReply, type SiteTask } from "./_simulated_actor.ts";
import { engineByName } from "./mask_engine.ts";
import { nativeProvider } from "./native_provider.ts";

/** What the Worker is told. */
export type WorkerOrder =
  | { readonly kind: "start"; readonly start: ActorStart; readonly engine: string }
  | { readonly kind: "step"; readonly tasks: readonly SiteTask[] };

/** What it answers to a step. */
export type WorkerAnswer = { readonly replies: readonly SiteReply[] } | { readonly error: string };

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<WorkerOrder>) => void;
  postMessage(answer: WorkerAnswer): void;
}

const scope = globalThis as unknown as WorkerScope;
let actor: SimulatedActor | undefined;
let last: Promise<void> = Promise.resolve();

async function obey(order: WorkerOrder): Promise<void> {
  if (order.kind === "start") {
    actor = new SimulatedActor(order.start, {
      metered: meteredProvider(nativeProvider),
      engine: engineByName(order.engine),
      clock: () => performance.now() / 1000,
      random: cryptoRandomBytes,
    });
  } else {
    scope.postMessage({ replies: await actor!.step(order.tasks) });
  }
}

scope.onmessage = ({ data }): void => {
  last = last.then(() => obey(data)).catch((error: unknown) => scope.postMessage({ error: String(error) }));
};
