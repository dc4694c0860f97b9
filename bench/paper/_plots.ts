import type { ForestRow } from "./_forest_svg.ts";
import { ABLATIONS, FEDKIM, LOCAL_HEADS, METHODS, NO_PRIVATE_DATA, settingName } from "./_settings.ts";
import { ABLATED, comparisons, FEDERATIONS } from "./_comparisons.ts";
import { meanAuroc, type Results, TRAINED, UNSEEN } from "./_tables.ts";

const COLOURS: Readonly<Record<string, string>> = {
  [LOCAL_HEADS]: "#777777",
  FedPlug: "#c8553d",
  FedPlug_L: "#d9a441",
  FedKIM: "#1b6ca8",
};

/** Every federation with every method, and the two without private data, on trained tasks. */
export function mainPlot(results: Results): ForestRow[] {
  return rows(results, TRAINED, [LOCAL_HEADS, ...METHODS.map(({ name }) => name)]);
}

/** The same on unseen tasks, which local heads cannot answer. */
export function unseenPlot(results: Results): ForestRow[] {
  return rows(results, UNSEEN, METHODS.map(({ name }) => name));
}

function rows(results: Results, tasks: readonly string[], methods: readonly string[]): ForestRow[] {
  const found = FEDERATIONS.flatMap((setting) =>
    methods.flatMap((method, index): ForestRow[] => {
      const interval = meanAuroc(results, { setting, method }, tasks);
      if (interval === undefined) return [];
      const label = `${settingName(setting)}: ${method}`;
      return [{ label, interval, colour: COLOURS[method], begins: index === 0 }];
    })
  );
  const alone = NO_PRIVATE_DATA.flatMap((setting, index): ForestRow[] => {
    const interval = meanAuroc(results, { setting, method: FEDKIM.name }, tasks);
    if (interval === undefined) return [];
    return [{
      label: `no private data, ${settingName(setting)}`,
      interval,
      colour: "#3a7d44",
      begins: index === 0,
    }];
  });
  return [...found, ...alone];
}

/** What leaving out a part costs, on trained and unseen tasks. */
export function ablationRows(results: Results): ForestRow[] {
  return ABLATED.flatMap((setting) =>
    [{ name: "trained", tasks: TRAINED, colour: "#1b6ca8" }, {
      name: "unseen",
      tasks: UNSEEN,
      colour: "#3a7d44",
    }]
      .flatMap(({ name, tasks, colour }) =>
        comparisons(results, setting, ABLATIONS.map((method) => method.name), tasks).map((
          { against, interval },
          index,
        ): ForestRow => ({
          label: `${settingName(setting)}, ${name}: ${against}`,
          interval,
          colour,
          begins: index === 0,
        }))
      )
  );
}
