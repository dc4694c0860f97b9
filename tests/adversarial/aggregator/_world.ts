import { join } from "node:path";
import { createPlan, type DpPlanRequest } from "../../../src/dp/mod.ts";
import { createIdentity } from "../../../src/federation/identity_file.ts";
import { signHoldings } from "../../../src/federation/holdings.ts";
import { type FederationPlan, sealPlan } from "../../../src/federation/federation_plan.ts";
import { encodeFlat } from "../../../src/federation/flat_model.ts";
import {
  runSite,
  SITE_FILES,
  type SiteEvent,
  type SiteWorkerOptions,
  writePolicy,
} from "../../../src/federation/mod.ts";
import type { SitePolicy } from "../../../src/federation/site_policy.ts";
import { encodeTextTable } from "../../../src/federation/text_table.ts";
import { encodeWeights } from "../../../src/federation/weights_file.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { EMBEDDED_MODEL_FOLDER } from "../../../src/foundation/mod.ts";
import {
  createSpec,
  federatedParameters,
  flatten,
  loadFederationPart,
  type LocalModelSpec,
  type LocalWeights,
  pretrainOnPublic,
} from "../../../src/local/mod.ts";
import { synthesizeFederation } from "../../../src/local/synthesize/mod.ts";
import type { Identity } from "../../../src/secure_agg/mod.ts";
import { selectBackend } from "../../../src/tensor/mod.ts";
import { LETTERS } from "../../local/_fixtures.ts";
import { policy } from "../../federation/_plan.ts";
import { LyingAggregator } from "./_lying_aggregator.ts";

/** The sites, in the order of the roster. */
export const SITES = ["site-midwest", "site-northeast", "site-south", "site-west"] as const;
/** A site of the federation. */
export type SiteName = typeof SITES[number];
/** Who is attacked where only one real worker runs. */
export const VICTIM: SiteName = SITES[0];

/** How a worker ended. */
export interface Ending {
  /** Why it stopped; undefined where the federation was over for it. */
  readonly error: FedKimError | undefined;
  /** What it said of itself. */
  readonly events: readonly SiteEvent[];
}

/** A running worker. */
export interface Worker {
  readonly site: SiteName;
  readonly events: SiteEvent[];
  readonly ended: Promise<Ending>;
  /** True once it has ended. */
  over: boolean;
}

const FEW = { icu: 24, cxr: 1, ecg: 1, vqa: 1 };
/** Steps of the plan: one for each attack on its workers. */
const STEPS = 40;

/** What all worlds of a test file share: data, a model for them, and its artefacts. */
interface Prepared {
  readonly data: string;
  readonly spec: LocalModelSpec;
  readonly base: LocalWeights;
  readonly weights: Uint8Array;
  readonly textTable: Uint8Array;
}

const PREPARED = new Map<string, Promise<Prepared>>();

function prepared(size: Size): Promise<Prepared> {
  const key = JSON.stringify(size);
  const known = PREPARED.get(key) ?? prepare(size);
  PREPARED.set(key, known);
  return known;
}

async function prepare(size: Size): Promise<Prepared> {
  const dir = await Deno.makeTempDir();
  globalThis.addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));
  await synthesizeFederation(dir, { seed: 7, patients: { site: FEW, public: FEW, test: FEW } });
  for (const part of [...SITES, "public"]) {
    for (const set of ["cxr", "ecg", "vqa"]) await Deno.remove(`${dir}/${part}/${set}`, { recursive: true });
  }
  const data = await loadFederationPart(`${dir}/public`);
  const spec = createSpec(data, ["icu_shock"], { tokenDimension: LETTERS.dimension, ...size });
  const base = await pretrainOnPublic(spec, data, LETTERS, { seed: 1, steps: 1 });
  const values = new Float32Array(4 * LETTERS.dimension);
  const table = { vocabSize: 4, hiddenSize: LETTERS.dimension, values };
  const textTable = await encodeTextTable(EMBEDDED_MODEL_FOLDER, table);
  return { data: dir, spec, base, weights: encodeWeights(base), textTable };
}

/** Width of the model's tokens and of its layers. */
interface Size {
  readonly dEnc: number;
  readonly hidden: number;
}

/** A small federation of four sites with synthetic patients, and a lying aggregator that they are enrolled with. */
export class World {
  readonly aggregator: LyingAggregator = new LyingAggregator();
  readonly identities = new Map<SiteName, Identity>();
  /** The step ordered last. */
  round = 0;
  readonly #stop = new AbortController();

  private constructor(
    readonly dir: string,
    /** Folder of the sites' data, which nobody changes. */
    readonly data: string,
    readonly base: LocalWeights,
    public plan: FederationPlan,
  ) {}

  /** Makes data, model, plan and state folders; every policy names the peers' keys. */
  static async create(
    change: Partial<DpPlanRequest> = {},
    size: Size = { dEnc: 4, hidden: 4 },
  ): Promise<World> {
    await selectBackend("cpu");
    const { data, spec, base, weights, textTable } = await prepared(size);
    const dir = await Deno.makeTempDir();
    const dp = createPlan({
      populations: [{ name: "icu", unit: "patient", samplingRate: 0.25, maxGradNorm: 1 }],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: STEPS,
      dimension: federatedParameters(spec).dimension,
      cohort: { n: SITES.length, nMin: 3, colluders: 1 },
      maxUnitsPerStep: 1024,
      delta: 1e-6,
      target: { epsilon: 4 },
      ...change,
    });
    const unsigned: Omit<FederationPlan, "roster" | "model"> = {
      format: "fedkim-plan/1",
      federation: "test",
      run: "ab".repeat(16),
      mode: "distributed",
      tasks: ["icu_shock"],
      dp,
      secureAggregation: { profile: "strict", threshold: 3, nMin: 3, colluders: 1, chunkCoordinates: 64 },
    };
    const world = new World(dir, data, base, unsigned as FederationPlan);
    for (const site of SITES) {
      await Deno.mkdir(world.state(site), { recursive: true });
      world.identities.set(site, await createIdentity(join(world.state(site), SITE_FILES.identity), site));
    }
    world.plan = {
      ...unsigned,
      roster: SITES.map((site) => {
        const identity = world.identities.get(site)!;
        return { site, publicKey: toHex(identity.publicKey), holdings: signHoldings(identity, ["icu"]) };
      }),
      model: {
        spec,
        baseWeights: world.aggregator.publish(weights),
        textTable: world.aggregator.publish(textTable),
      },
    } as FederationPlan;
    for (const site of SITES) await world.#settle(site);
    return world;
  }

  /** Ends what still runs and removes everything. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.aggregator.close();
    await Deno.remove(this.dir, { recursive: true });
  }

  /** A site's state folder. */
  state(site: SiteName): string {
    return `${this.dir}/sites/${site}`;
  }

  /** Publishes a model, the pre-trained one by default, and gives its hash. */
  model(flat: Float64Array = flatten(this.plan.model.spec, this.base)): string {
    return this.aggregator.publish(encodeFlat(flat));
  }

  /** The plan with changes, signed. */
  sealed(plan: unknown = this.plan): Uint8Array {
    return sealPlan(plan as FederationPlan, this.aggregator.identity);
  }

  /**
   * Starts a site's real worker and greets it with a plan.
   * @param plan a sealed plan; the federation's own by default, none for null
   */
  start(
    site: SiteName,
    plan?: Uint8Array | null,
    more: Partial<SiteWorkerOptions> = {},
    state?: string,
  ): Worker {
    this.aggregator.forget(site);
    if (plan !== null) this.aggregator.post(site, "plan", 0, plan ?? this.sealed());
    const events: SiteEvent[] = [];
    const running = runSite({
      config: {
        data: `${this.data}/${site}`,
        state: state ?? this.state(site),
        backend: "cpu",
        reconnectSeconds: 1,
        heldOut: 0,
      },
      signal: this.#stop.signal,
      onEvent: (event) => {
        events.push(event);
        this.aggregator.touch();
      },
      ...more,
    });
    const worker: Worker = {
      site,
      events,
      over: false,
      ended: running.then(() => undefined, (error) => {
        if (error instanceof FedKimError) return error;
        throw error; // anything else is a defect of the site, not a refusal
      }).finally(() => {
        worker.over = true;
        this.aggregator.touch();
      }).then((error) => ({ error, events })),
    };
    worker.ended.catch(() => {}); // whoever waits for it hears of a defect; a test that failed before does not
    return worker;
  }

  /** Lets a worker that is still there go home, and gives its end. */
  async dismiss(worker: Worker): Promise<Ending> {
    if (!worker.over) this.aggregator.post(worker.site, "done", 0, new Uint8Array());
    return await worker.ended;
  }

  /** Waits until a condition holds that a request, a letter or a worker's event can make true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.aggregator.changed;
  }

  /** Rounds that a site's ledger has charged, in order. */
  async charged(site: SiteName, state = this.state(site)): Promise<number[]> {
    const records = await this.ledger(site, state);
    return records.filter(({ type }) => type === "charge").map(({ round }) => round as number);
  }

  /** Plans that a site's ledger has committed to. */
  async committed(site: SiteName): Promise<number> {
    return (await this.ledger(site)).filter(({ type }) => type === "commit").length;
  }

  /** The records of a site's ledger. */
  async ledger(site: SiteName, state = this.state(site)): Promise<Record<string, unknown>[]> {
    const text = await Deno.readTextFile(join(state, SITE_FILES.ledger)).catch(() => "");
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  /** Writes a site's policy anew. */
  async allow(site: SiteName, change: Partial<SitePolicy>): Promise<void> {
    const peers = Object.fromEntries(this.plan.roster.map((entry) => [entry.site, entry.publicKey]));
    const allowed = { ...policy, site, delta: 1e-5, peers, ...change };
    await writePolicy(join(this.state(site), SITE_FILES.policy), allowed, this.identities.get(site)!);
  }

  async #settle(site: SiteName): Promise<void> {
    const pinned = {
      format: "fedkim-aggregator/1",
      url: this.aggregator.url,
      publicKey: toHex(this.aggregator.identity.publicKey),
    };
    await Deno.writeTextFile(join(this.state(site), SITE_FILES.aggregator), JSON.stringify(pinned));
    await this.allow(site, {});
  }
}

/** Runs a test in a world of its own. */
export async function inWorld(
  work: (world: World) => Promise<void>,
  change: Partial<DpPlanRequest> = {},
  size?: Size,
): Promise<void> {
  const world = await World.create(change, size);
  try {
    await work(world);
  } finally {
    await world.close();
  }
}
