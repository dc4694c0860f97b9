import { dashboardLink } from "../src/federation/mod.ts";
import type { Options } from "./args.ts";
import { untilInterrupted } from "./signals.ts";
import { out } from "./terminal.ts";

/** `fedkim dashboard`: a one-time link that opens the aggregator's pages as the member of a state folder. */
export async function dashboard(options: Options<"dashboard">): Promise<void> {
  const url = await dashboardLink(options.state, untilInterrupted());
  out.result(options.json ? JSON.stringify({ url }) : url);
  out.note("The link opens once, within five minutes.");
}
