import { type InjectedKnowledge, injectKnowledge } from "../../src/federation/aggregator_results.ts";
import {
  allSamples,
  answerableTasks,
  type TaskSamples,
  taskText,
} from "../../src/federation/injection_samples.ts";
import type { InjectionConfig, RoutingReport } from "../../src/m3oe/mod.ts";
import type { PublicPart } from "../../src/federation/public_stage.ts";
import { bestThreshold } from "../../src/federation/thresholds.ts";
import type { LocalWeights, SiteData, TaskManifest } from "../../src/local/mod.ts";
import type { Cell, TaskOutcome, TaskTruth } from "./_outcome.ts";
import { FEDKIM, LOCAL_HEADS, type Method, type Setting, settingName } from "./_settings.ts";
import type { Start } from "./_start.ts";

/** Longest answer to an open question, in tokens. */
const ANSWER_TOKENS = 6;

/**
 * No private data, second variant: encoders start untrained and learn with the injection, as fast as all else. Heads that
 * were never trained have nothing to teach.
 */
const TOGETHER: Partial<InjectionConfig> = { distillation: 0, encoderRate: 1 };

/** Records that models are judged on: held-out public patients, or in frozen runs the test part. */
export interface Judged {
  readonly part: PublicPart;
  /** Which of the answerable tasks are judged; labels of all others stay unread. */
  readonly wanted: (task: TaskManifest) => boolean;
}

/** Injects the encoders by each method and scores the judged records. */
export async function judge(
  start: Start,
  weights: LocalWeights,
  judged: Judged,
  run: { readonly setting: Setting; readonly methods: readonly Method[]; readonly seed: number },
): Promise<{ cells: Cell[]; truth: Record<string, TaskTruth>; routing?: RoutingReport }> {
  const { setting, methods, seed } = run;
  const data = judged.part.data;
  const tasks = answerableTasks(data, start.spec).filter(judged.wanted);
  const together = setting.backbone === "together";
  const form = together ? "stems" : "tokens";
  const samples = await allSamples(start.spec, weights, data, judged.part.features, tasks, "taught", form);
  const truth = Object.fromEntries(
    [...samples].map(([name, found]) => [name, truthOf(data, name, found)]),
  );
  const of = (method: string, outcomes: Record<string, TaskOutcome>): Cell => {
    return { setting: settingName(setting), method, seed, tasks: outcomes };
  };
  const cells: Cell[] = [];
  if (!together) {
    cells.push(of(LOCAL_HEADS, await headOutcomes(start, weights, samples)));
  }
  let routing: RoutingReport | undefined;
  for (const { name, config } of methods) {
    const choices = together ? { config: { ...config, ...TOGETHER }, trainEncoders: true } : { config };
    const injected = await injectKnowledge(start, weights, { seed, ...choices }, () => {});
    injected.model.addTasks(tasks.map(taskText));
    cells.push(of(name, await outcomes(injected, samples)));
    if (name === FEDKIM.name) routing = await injected.model.routing();
    injected.model.dispose();
  }
  return { cells, truth, ...(routing === undefined ? {} : { routing }) };
}

async function outcomes(
  { model, decisions }: InjectedKnowledge,
  samples: ReadonlyMap<string, TaskSamples>,
): Promise<Record<string, TaskOutcome>> {
  const found: Record<string, TaskOutcome> = {};
  for (const [task, { samples: items }] of samples) {
    if (items.length === 0) continue;
    if (typeof items[0].label === "string") {
      found[task] = { kind: "open", answers: await model.answer(items, ANSWER_TOKENS) };
    } else {
      const scores = [...await model.score(items)].map(Math.fround);
      found[task] = { kind: "binary", scores, threshold: decisions[task]?.threshold ?? 0 };
    }
  }
  return found;
}

/** The local heads' logits, on the records and with the rule for thresholds that injected models have. */
async function headOutcomes(
  start: Start,
  weights: LocalWeights,
  samples: ReadonlyMap<string, TaskSamples>,
): Promise<Record<string, TaskOutcome>> {
  const { data, features } = start.validation;
  const trained = answerableTasks(data, start.spec).filter(({ name }) => start.tasks.includes(name));
  const held = await allSamples(start.spec, weights, data, features, trained, "taught");
  const found: Record<string, TaskOutcome> = {};
  for (const [task, { samples: items }] of samples) {
    const scores = headLogits(items);
    const own = held.get(task)?.samples ?? [];
    if (scores === undefined) continue;
    const threshold = bestThreshold(headLogits(own) ?? [], own.map(({ label }) => Number(label)));
    found[task] = { kind: "binary", scores, threshold };
  }
  return found;
}

function headLogits(items: TaskSamples["samples"]): number[] | undefined {
  const logits = items.map(({ teacher = NaN }) => Math.log(teacher / (1 - teacher)));
  return logits.every((logit) => !Number.isNaN(logit)) ? logits : undefined;
}

function truthOf(data: SiteData, task: string, { samples, ids }: TaskSamples): TaskTruth {
  const set = data.sets.find(({ manifest }) => manifest.tasks.some(({ name }) => name === task))!;
  const patients = new Map(set.records.map(({ id, patient }) => [id, patient]));
  return {
    role: set.manifest.tasks.find(({ name }) => name === task)!.role,
    set: set.name,
    labels: samples.map(({ label }) => label),
    people: ids.map((id) => patients.get(id)!),
  };
}
