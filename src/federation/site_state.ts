import { join } from "node:path";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { writeDurable } from "../formats/durable_file.ts";
import { type Invite } from "./invite.ts";

/** File names inside a site's state folder. */
export const SITE_FILES = {
  identity: "identity.json",
  aggregator: "aggregator.json",
  policy: "policy.json",
  ledger: "ledger.jsonl",
  progress: "progress.json",
  patientKey: "patient_key.json",
  heldOut: "held_out.json",
  withdrawals: "withdrawals.json",
} as const;

const AggregatorSchema = z.strictObject({
  format: z.literal("fedkim-aggregator/1"),
  url: z.string(),
  publicKey: z.string().regex(/^[0-9a-f]{64}$/),
});

/** The aggregator that a site enrolled with; its key is pinned. */
export interface PinnedAggregator {
  /** File format. */
  readonly format: "fedkim-aggregator/1";
  /** Where it listens. */
  readonly url: string;
  /** Its Ed25519 public key, hex. */
  readonly publicKey: string;
}

/**
 * Refuses an invite of another aggregator than the pinned one. One state folder serves one aggregator: with two, each could pass on what
 * the site has signed for the other.
 * @throws FedKimError `ConfigError` where another aggregator's key is pinned
 */
export async function requireSameAggregator(stateFolder: string, invite: Invite): Promise<void> {
  const known = await readPinnedAggregator(stateFolder).catch(() => undefined);
  if (known !== undefined && known.publicKey !== invite.aggregatorPublicKey) {
    throw new FedKimError("ConfigError", "This state folder belongs to another aggregator.", {
      found: `the pinned key ${known.publicKey}`,
      needed: `the invite's key ${invite.aggregatorPublicKey}`,
      remedy: "use a state folder of its own for each federation",
    });
  }
}

/** Pins the aggregator of an accepted invite. @throws FedKimError as {@link requireSameAggregator} */
export async function pinAggregator(stateFolder: string, invite: Invite): Promise<void> {
  await requireSameAggregator(stateFolder, invite);
  const pinned: PinnedAggregator = {
    format: "fedkim-aggregator/1",
    url: invite.url,
    publicKey: invite.aggregatorPublicKey,
  };
  await writeDurable(join(stateFolder, SITE_FILES.aggregator), JSON.stringify(pinned));
}

/** Reads the pinned aggregator. @throws FedKimError `ConfigError` where the site is not enrolled */
export async function readPinnedAggregator(stateFolder: string): Promise<PinnedAggregator> {
  const path = join(stateFolder, SITE_FILES.aggregator);
  try {
    return AggregatorSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch (cause) {
    throw new FedKimError("ConfigError", "This site is not enrolled with an aggregator.", {
      found: `no valid ${path}`,
      remedy: "accept an invite: fedkim enroll --state DIR --invite TOKEN",
      cause,
    });
  }
}

const ProgressSchema = z.strictObject({ planHash: z.string(), lastRound: z.number().int().min(0) });

/** The newest step that this site has begun, per plan: a step is never begun twice, not even after a crash. */
export class SiteProgress {
  private constructor(private readonly path: string, private state: z.infer<typeof ProgressSchema>) {}

  /** Opens the progress file of a state folder. */
  static async open(stateFolder: string): Promise<SiteProgress> {
    const path = join(stateFolder, SITE_FILES.progress);
    try {
      return new SiteProgress(path, ProgressSchema.parse(JSON.parse(await Deno.readTextFile(path))));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        return new SiteProgress(path, { planHash: "", lastRound: 0 });
      }
      throw new FedKimError(
        "LedgerError",
        "The progress file is damaged, so an old step could be repeated.",
        {
          found: path,
          remedy: "restore the state folder from one backup as a whole, or enroll anew",
          cause: error,
        },
      );
    }
  }

  /**
   * Marks a step as begun, durably, before anything of it leaves the site.
   * @throws FedKimError `UnexpectedMessage` when this or a later step was begun already
   */
  async begin(planHash: string, round: number): Promise<void> {
    const last = this.state.planHash === planHash ? this.state.lastRound : 0;
    if (round <= last) {
      throw new FedKimError("UnexpectedMessage", "A step was ordered twice.", {
        reason: "round_replayed",
        found: `step ${round}`,
        needed: `a step after ${last}`,
      });
    }
    this.state = { planHash, lastRound: round };
    await writeDurable(this.path, JSON.stringify(this.state));
  }
}
