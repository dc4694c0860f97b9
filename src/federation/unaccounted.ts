/** Something that leaves a site outside of the privacy accounting; the report lists every one. */
export interface UnaccountedReleaseNote {
  /** What leaves. */
  readonly name: string;
  /** Who sees it. */
  readonly recipient: string;
  /** Why it is not accounted, and what it can tell. */
  readonly why: string;
}

/** What every federation of this version releases outside of the accounting. */
export const UNACCOUNTED_RELEASES: readonly UnaccountedReleaseNote[] = [
  {
    name: "Participation",
    recipient: "aggregator and other sites",
    why: "that a site takes part in the federation and in each step is visible; it depends on no record",
  },
  {
    name: "Timing of messages",
    recipient: "aggregator",
    why: "how long a site trains varies with the number of sampled records; no fixed upload slot is kept",
  },
  {
    name: "Sets held",
    recipient: "aggregator",
    why:
      "a site that lacks a whole set sends noise on its coordinates too, but its ledger and its agreement to tasks can show which sets it holds",
  },
  {
    name: "Ledger head",
    recipient: "aggregator",
    why: "number of ledger entries and their hash at every join, to detect a rolled-back ledger; no content",
  },
];
