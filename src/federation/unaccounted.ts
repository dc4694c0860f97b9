import type { UnaccountedRelease } from "../dp/mod.ts";

/** What every federation of this version releases outside of the accounting. */
export const UNACCOUNTED_RELEASES: readonly UnaccountedRelease[] = [
  {
    what: "Participation",
    seenBy: "aggregator and other sites",
    note: "that a site takes part in the federation and in each step is visible; it depends on no record",
  },
  {
    what: "Timing of messages",
    seenBy: "aggregator",
    note:
      "how long a site trains varies with the number of sampled records, and how long it evaluates with the number of held-out records; no fixed upload slot is kept",
  },
  {
    what: "Refusals and aborts",
    seenBy: "aggregator",
    note:
      "that a site refuses a plan or gives a step up, with an error code; its cause can depend on the site's data",
  },
  {
    what: "Sets held",
    seenBy: "aggregator and other sites",
    note:
      "every site signs at join which sets it holds and whether its configuration holds patients out of them, and the plan carries these statements so that each site can count the holders of a set and of its held-out patients; a site that lacks them sends noise on their coordinates all the same",
  },
  {
    what: "Ledger head",
    seenBy: "aggregator",
    note:
      "number of ledger entries and their salted hash at every join, plan and step, to detect a rolled-back ledger; no content",
  },
  {
    what: "Software",
    seenBy: "aggregator",
    note: "name and version of the software, in the user-agent header of every request",
  },
  {
    what: "Ledger statement",
    seenBy: "aggregator, operators and auditors",
    note:
      "only where a site sends one by itself: its budgets and what is spent of them, in all its federations; which sets it holds can show",
  },
];
