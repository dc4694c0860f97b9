import type { TrainedPart } from "./parameters.ts";
import type { InjectedModel } from "./injected_model.ts";

/** What is trained and what is frozen, in numbers of weights. */
export interface TrainableSummary {
  /** Weights of the frozen base. */
  readonly frozen: number;
  /** Trained weights by part. */
  readonly trained: Readonly<Record<TrainedPart, number>>;
  /** Trained weights over all weights. */
  readonly share: number;
}

/** One line of the list of trained and frozen parts. */
export interface TrainableRow {
  /** The part, e.g. `experts q_proj (4 layers)`. */
  readonly part: string;
  /** Number of weights. */
  readonly weights: number;
  /** Whether the injection trains it. */
  readonly trained: boolean;
}

/**
 * Counts trained and frozen weights.
 *
 * @param model the model
 * @returns the counts
 */
export function summarise({ parameters, base }: InjectedModel): TrainableSummary {
  const count = (wanted: TrainedPart): number =>
    parameters.named.filter(({ part }) => part === wanted)
      .reduce((sum, { variable }) => sum + variable.size, 0);
  const trained = {
    projectors: count("projectors"),
    gate: count("gate"),
    experts: count("experts"),
    encoders: count("encoders"),
  };
  const total = Object.values(trained).reduce((sum, weights) => sum + weights, 0);
  const frozen = base.decoder.parameterCount;
  return { frozen, trained, share: total / (total + frozen) };
}

/**
 * Lists what is trained and what is frozen.
 *
 * @param model the model
 * @returns one row per frozen or trained part: the base, every projector, the gate, the experts of every target
 * module, every trained encoder
 */
export function trainableRows(model: InjectedModel): TrainableRow[] {
  const { parameters, base } = model;
  const layers = base.decoder.config.layers;
  const label = ({ part, name }: (typeof parameters.named)[number]): string => {
    switch (part) {
      case "projectors":
        return `projector ${name.slice("projector.".length, name.lastIndexOf("."))}`;
      case "gate":
        return "gate";
      case "experts":
        return name.startsWith("lm_head")
          ? "experts lm_head"
          : `experts ${name.split(".")[2]} (${layers} layers)`;
      case "encoders":
        return `encoder weight ${name.slice("encoders/".length)}`;
    }
  };
  const trained = [...Map.groupBy(parameters.named, label)].map(([part, group]) => ({
    part,
    weights: group.reduce((sum, { variable }) => sum + variable.size, 0),
    trained: true,
  }));
  return [{ part: "foundation model", weights: base.decoder.parameterCount, trained: false }, ...trained];
}

/**
 * The list as text, with the trainable share in the last line.
 *
 * @param model the model
 * @returns lines for a terminal
 */
export function trainableTable(model: InjectedModel): string {
  const rows = trainableRows(model);
  const wide = Math.max(...rows.map(({ part }) => part.length));
  const lines = rows.map(({ part, weights, trained }) =>
    `${part.padEnd(wide)}  ${String(weights).padStart(12)}  ${trained ? "trained" : "frozen"}`
  );
  const { share, trained, frozen } = summarise(model);
  const total = Object.values(trained).reduce((sum, weights) => sum + weights, 0);
  return [
    ...lines,
    `${total} of ${total + frozen} weights are trained (${(100 * share).toFixed(2)} %)`,
  ].join("\n");
}
