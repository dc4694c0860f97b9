import type { PublicPart } from "../../src/federation/public_stage.ts";
import {
  loadFederationPart,
  type LocalWeights,
  prepareFeatures,
  readFederation,
  type TaskManifest,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { federate } from "./_federate.ts";
import { judge } from "./_judge.ts";
import type { JobResult } from "./_outcome.ts";
import { type Job, settingName } from "./_settings.ts";
import { makeStart, type Start } from "./_start.ts";
import { answerJobs } from "./_worker_side.ts";
import { openWorld, type World } from "./_world.ts";

const starts = new Map<string, Promise<Start>>();
/** Other methods on the same encoders come as later jobs. */
const federations = new Map<string, Promise<LocalWeights>>();
/** The test part behind the stems of each start. */
const testParts = new Map<string, Promise<PublicPart>>();
let world: Promise<World> | undefined;

/** One frozen federation with all its injections, judged on the test part. */
async function runJob(
  job: Job & { readonly folder: string; readonly foundationModel: string },
): Promise<JobResult> {
  const begun = performance.now();
  world ??= selectBackend("wasm").then(() => openWorld(job.folder, job.foundationModel));
  const opened = await world;
  const untrained = job.setting.backbone === "together";
  const key = `${job.seed} ${untrained}`;
  if (!starts.has(key)) starts.set(key, makeStart(opened, { seed: job.seed, untrained }));
  const start = await starts.get(key)!;
  const federation = `${job.seed} ${settingName(job.setting)}`;
  if (!federations.has(federation)) federations.set(federation, federate(start, job.setting, job.seed));
  const weights = await federations.get(federation)!;
  if (!testParts.has(key)) testParts.set(key, testPartOf(start, job.folder));
  const part = await testParts.get(key)!;
  const wanted = ({ modalities }: TaskManifest): boolean => job.questions || !modalities.includes("question");
  const result = await judge(start, weights, { part, wanted }, job);
  return { ...result, seconds: (performance.now() - begun) / 1000 };
}

async function testPartOf({ spec, base, text }: Start, folder: string): Promise<PublicPart> {
  const data = await loadFederationPart((await readFederation(folder)).test);
  return { data, features: prepareFeatures(spec, base, data, text) };
}

answerJobs(runJob);
