/**
 * What was released, as data: a tagged tree of mechanisms, samplings and compositions.
 *
 * Events describe and accountants interpret. The JSON form is an interchange format: an event written by
 * one program is accounted by another. `parseEvent` is the only way in for foreign JSON and refuses unknown
 * types, unknown fields and parameters out of range; nothing is ever read as "no privacy loss" by mistake.
 * `flattenEvent` turns a tree into distinct mechanisms with counts, so that counting is done once, here,
 * and not in every accountant. The meaning of `sigma` under each neighbouring relation is written at each
 * type.
 *
 * @module
 */
export { parseEvent } from "./parse.ts";
export { flattenEvent } from "./flatten.ts";
export type { CountedEvent, LeafEvent } from "./flatten.ts";
export { canonicalJson } from "../../formats/canonical_json.ts";
export type {
  ComposedEvent,
  DiscreteGaussianEvent,
  DiscreteLaplaceEvent,
  DpEvent,
  EpsilonDeltaEvent,
  ExponentialEvent,
  GaussianEvent,
  LaplaceEvent,
  MixtureOfGaussiansEvent,
  Neighboring,
  NonPrivateEvent,
  NoOpEvent,
  PermuteAndFlipEvent,
  PoissonEvent,
  RandomizedResponseEvent,
  RepeatAndSelectEvent,
  SampleWithoutReplacementEvent,
  SelfComposedEvent,
  SkellamEvent,
  SumOfDiscreteGaussiansEvent,
  TreeEvent,
  TruncatedPoissonGaussianEvent,
  ZcdpEvent,
} from "./types.ts";
