/**
 * Synthetic federations: the demo's data where no real folder is given, and data for tests.
 *
 * {@link synthesizeFederation} writes a `fedkim-federation/1` folder with the sites, sets, tasks and file formats of a
 * real one. Nothing in it comes from a person. ECGs follow the dynamical model of McSharry et al. 2003
 * ({@link integrateEcg}); ICU stays have hidden organ states that drive vital signs, laboratory values, fluids and
 * outcomes in the directions of the published severity scores; chest, head and abdomen pictures are drawn phantoms
 * whose labels and answers follow from what was drawn. Sites differ in case mix and machines
 * ({@link SITE_PROFILES}); patients are disjoint between parts and some have several records.
 * Generators are pure functions of a seed; every patient has a random stream of its own.
 * Never judge a method for medicine by these data: they show that the system works, not that it helps patients.
 *
 * @module
 */
export type { OnProgress, ProgressEvent } from "../../formats/progress.ts";
export { type Beat, integrateEcg, NORMAL_WAVES, type Wave } from "./ecg_model.ts";
export { type GeneratedSet, generateSet, type SetArray } from "./generate_set.ts";
export { SET_NAMES, type SetName, SYNTHETIC_LICENCE } from "./manifests.ts";
export { SITE_PROFILES, type SiteProfile } from "./site_profile.ts";
export {
  DEFAULT_PATIENTS,
  type PartKind,
  type PatientCounts,
  type SetSummary,
  type SynthesisOptions,
  type SynthesisSummary,
  synthesizeFederation,
} from "./synthesize_federation.ts";
