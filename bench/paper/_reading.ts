import { comparisons, FEDERATIONS } from "./_comparisons.ts";
import { settingName } from "./_settings.ts";
import { type Results, TRAINED, UNSEEN } from "./_tables.ts";

/** Where the mixture wins and where it does not, counted from the comparisons. */
export function reading(results: Results): string[] {
  const lines = (["FedPlug", "FedPlug_L"] as const).flatMap((against) =>
    [{ name: "trained", tasks: TRAINED }, { name: "unseen", tasks: UNSEEN }].map(({ name, tasks }) => {
      const found = FEDERATIONS.flatMap((setting) =>
        comparisons(results, setting, [against], tasks).map(({ interval }) => ({ setting, interval }))
      );
      if (found.length === 0) return `- Against ${against} on ${name} tasks: not run with these settings.`;
      const wins = found.filter(({ interval }) => interval.low > 0).map(({ setting }) =>
        settingName(setting)
      );
      const losses = found.filter(({ interval }) => interval.high < 0).map(({ setting }) =>
        settingName(setting)
      );
      const list = (names: readonly string[]): string => names.length === 0 ? "nowhere" : names.join("; ");
      return `- Against ${against} on ${name} tasks, in ${found.length} settings: clearly better ${
        list(wins)
      }, ` +
        `clearly worse ${list(losses)}; all others are within noise.`;
    })
  );
  return ["## Where the mixture wins", "", ...lines, ""];
}
