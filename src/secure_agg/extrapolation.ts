import { type CostModel, costModel, type PartyCost } from "./cost_model.ts";
import { graphParams } from "./graph_params.ts";
import type { Profile, RoundConfig } from "./round_config.ts";

/** What a round of another size would cost. */
export interface Extrapolation {
  /** Sites. */
  readonly sites: number;
  /** Degree of the graph at this size. */
  readonly degree: number;
  /** Sharing threshold at this size. */
  readonly threshold: number;
  /** One surviving client. */
  readonly client: PartyCost;
  /** The server. */
  readonly server: PartyCost;
}

/**
 * What a round of `sites` sites would cost here: the cost model at that size, each figure times measured / model at the
 * size that was run. It says nothing about the message format, whose 16-bit indices end at 65,535 sites.
 * @param measured medians of the clients, and the server
 * @param model the model at the size that was measured
 * @param dropped fraction of sites that drop out late
 */
export function extrapolate(
  sites: number,
  { config, measured, model, dropped }: {
    readonly config: Pick<RoundConfig, "dimension" | "wireForm"> & { readonly profile: Profile };
    readonly measured: CostModel;
    readonly model: CostModel;
    readonly dropped: number;
  },
): Extrapolation {
  const { graph, threshold } = graphParams({ n: sites, ...config });
  const degree = graph.kind === "ring" ? graph.degree : sites - 1;
  const there = costModel(config, { n: sites, degree, lateDrops: Math.round(dropped * sites) });
  const scaled = (party: keyof CostModel): PartyCost => {
    const of = (quantity: keyof PartyCost): number =>
      there[party][quantity] * measured[party][quantity] / model[party][quantity];
    return { cpuSeconds: of("cpuSeconds"), bytes: of("bytes"), memoryBytes: of("memoryBytes") };
  };
  return { sites, degree, threshold, client: scaled("client"), server: scaled("server") };
}
