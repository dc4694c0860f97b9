import type { Interval } from "./_paired_bootstrap.ts";
import {
  type Epsilon,
  FEDKIM,
  LOCAL_HEADS,
  NO_PRIVATE_DATA,
  type Setting,
  settingName,
} from "./_settings.ts";
import { header, row, shown } from "./_page_tables.ts";
import { difference, meanAuroc, type Results, TRAINED, UNSEEN } from "./_tables.ts";

interface Verdict {
  readonly what: string;
  readonly found: Interval | undefined;
  readonly wanted: string;
  readonly holds: (found: Interval) => boolean;
}

/**
 * The targets that this page is held against, each with what was found. They are stated for the mean of all seeds:
 * where some have not been run, nothing is met or missed yet.
 */
export function verdicts(results: Results, seeds: number): string[] {
  const judged = (found: Interval, holds: boolean): string => {
    if (found.seeds < seeds) return holds ? "holds so far" : "does not hold so far";
    return holds ? "met" : "**missed**";
  };
  const lines = all(results).flatMap(({ what, found, wanted, holds }) =>
    found === undefined
      ? []
      : [row([what, `${found.seeds}`, shown(found), wanted, judged(found, holds(found))])]
  );
  return [
    "## Against the targets",
    "",
    ...header(["what", "seeds", "found (95 % interval)", "wanted", ""], 1),
    ...lines,
    "",
  ];
}

function all(results: Results): Verdict[] {
  const distributed = (epsilon: Epsilon): Setting => ({ backbone: "distributed", epsilon });
  const fedkim = (setting: Setting) => ({ setting, method: FEDKIM.name });
  const found: Verdict[] = [];
  for (const epsilon of ["infinity", "8", "2"] as const) {
    const setting = distributed(epsilon);
    const floor = epsilon === "infinity" ? 0.74 : 0.7;
    found.push({
      what: `FedKIM, ${settingName(setting)}, five trained tasks`,
      found: meanAuroc(results, fedkim(setting), TRAINED),
      wanted: `at least ${floor}`,
      holds: ({ value }) => value >= floor,
    });
    for (const none of NO_PRIVATE_DATA) {
      found.push({
        what: `minus no private data (${settingName(none)}), trained, epsilon ${epsilon}`,
        found: difference(results, fedkim(setting), fedkim(none), TRAINED),
        wanted: "at least 0.05",
        holds: ({ value }) => value >= 0.05,
      });
    }
    found.push({
      what: `minus the federated local heads, trained, epsilon ${epsilon}`,
      found: difference(results, fedkim(setting), { setting, method: LOCAL_HEADS }, TRAINED),
      wanted: "at least -0.02",
      holds: ({ value }) => value >= -0.02,
    });
    if (epsilon === "infinity") {
      found.push({
        what: `FedKIM, ${settingName(setting)}, four unseen tasks`,
        found: meanAuroc(results, fedkim(setting), UNSEEN),
        wanted: "at least 0.63",
        holds: ({ value }) => value >= 0.63,
      });
    }
    for (const none of NO_PRIVATE_DATA) {
      found.push({
        what: `minus no private data (${settingName(none)}), unseen, epsilon ${epsilon}`,
        found: difference(results, fedkim(setting), fedkim(none), UNSEEN),
        wanted: "interval above 0",
        holds: ({ low }) => low > 0,
      });
    }
  }
  return found;
}
