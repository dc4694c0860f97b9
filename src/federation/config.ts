import { parse as parseToml } from "smol-toml";
import { dirname, extname, resolve } from "node:path";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { type LocalModelOptions, MAX_ATTENTION_BLOCKS } from "../local/mod.ts";
import { EMBEDDED_MODEL } from "./foundation_base.ts";
import { type EvaluationConfig, EvaluationConfigSchema } from "./site_evaluation/mod.ts";
import { type LocalSchedule, LocalScheduleConfigSchema } from "./local_schedule.ts";
import { type MetricsConfig, MetricsConfigSchema } from "./metrics_config.ts";
import { STRATEGIES, type StrategyName } from "./strategies/mod.ts";
import { type SumCheck, SumCheckSchema } from "./sum_check.ts";
import type { TlsFiles } from "./tls.ts";
import type { OutboundConfig } from "./tls_client.ts";

/** Which tensor backend to take; `auto` takes a real GPU, otherwise wasm. */
export type BackendPreference = "auto" | "webgpu" | "wasm" | "cpu";

/** Configuration of the aggregator service; `docs/configuration.md` explains every field. */
export interface AggregatorConfig {
  /** Name of the federation. */
  readonly federation: string;
  /** Where to listen; port 0 takes a free one. `stayMs`: how long the pages stay up after the end, milliseconds. */
  readonly listen: { readonly hostname: string; readonly port: number; readonly stayMs: number };
  /** Folder of identity, enrolment book and journal. */
  readonly state: string;
  /**
   * Where members, runs and the audit log are kept: `postgres://…`, or by default a SQLite file in the state folder.
   * Several replicas share one PostgreSQL database.
   */
  readonly store?: string | undefined;
  /** Address under which other replicas reach this one; where it listens by default. */
  readonly advertise?: string | undefined;
  /** Folder of plan, metrics, checkpoints and results. */
  readonly run: string;
  /** Names of the sites that may take part. */
  readonly sites: readonly string[];
  /** The server's public data, and optionally a test folder that is evaluated once. */
  readonly data: { readonly public: string; readonly test?: string | undefined };
  /** Folder of the frozen foundation model; `embedded`, the default, is the one that ships with this program. */
  readonly foundationModel: string;
  /** Folder of an earlier run whose encoders and heads are this one's start, instead of public pre-training. */
  readonly startFrom?: string | undefined;
  /** Tasks to train; all trainable ones by default. */
  readonly tasks?: readonly string[] | undefined;
  /** Whether one aggregation is one step over all sites, or follows some steps of every site by itself. */
  readonly mode: "distributed" | "local";
  /** What sites do between two aggregations; only read in `local` mode. */
  readonly local: LocalSchedule;
  /** Sizes of the local model and which of its layers sites train; what is left out has the model's own default. */
  readonly model: Partial<Omit<LocalModelOptions, "tokenDimension">>;
  /** What is promised to every privacy unit. */
  readonly privacy: {
    /** Epsilon of the whole schedule, in the coalition view. */
    readonly epsilon: number;
    /** Delta. */
    readonly delta: number;
    /** Neighbouring relation; has no default. */
    readonly neighboring: "add_or_remove_one";
    /** Sites that are assumed to collude with the server. */
    readonly colluders: number;
    /** Public bound on the units sampled in a step over all sites, in `local` mode at one site. */
    readonly maxUnitsPerStep: number;
    /** Poisson sampling rate by set. */
    readonly samplingRate?: Readonly<Record<string, number>> | undefined;
    /** Clipping norm by set. */
    readonly maxGradNorm?: Readonly<Record<string, number>> | undefined;
  };
  /** The schedule. */
  readonly rounds: {
    /** Aggregation steps. */
    readonly steps?: number | undefined;
    /** Fewest sites whose sum is revealed. */
    readonly minimumSites?: number | undefined;
    /** Sites that are chosen at random for a run, of those that have joined; all by default. */
    readonly cohort?: number | undefined;
    /** Longest wait for one phase, milliseconds. */
    readonly phaseDeadlineMs: number;
    /** Longest wait for sites to join, accept or return, milliseconds. */
    readonly joinDeadlineMs: number;
    /** Size of an upload chunk, bytes. */
    readonly chunkBytes: number;
  };
  /** Refuses steps whose sum is longer than honest sites can make it; without it no sum is refused. */
  readonly sumCheck?: SumCheck | undefined;
  /** The server's rule. */
  readonly optimizer: {
    /** Which rule; `fedadam` by default, `fedavg` in `local` mode. */
    readonly name?: StrategyName | undefined;
    /** Step size. */
    readonly learningRate?: number | undefined;
    /** Pull towards the public start, per step. */
    readonly anchorDecay: number;
  };
  /** Evaluation on the sites' held-out patients after the last step; without it there is none. */
  readonly evaluation?: EvaluationConfig | undefined;
  /**
   * The M3OE injection. `trainEncoders`: the encoders' federated layers learn with it on public data, for inference and
   * for a later run that starts from this one.
   */
  readonly injection: {
    readonly epochs?: number | undefined;
    readonly trainEncoders?: boolean | undefined;
  };
  /** Seed of initialisation and of the order of public data. */
  readonly seed: number;
  /** Tensor backend. */
  readonly backend: BackendPreference;
  /** Certificate and key; without them the service speaks plain HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** The Prometheus endpoint. */
  readonly metrics: MetricsConfig;
}

/** Configuration of a site worker. */
export interface ClientConfig extends OutboundConfig {
  /** Folder of the site's datasets. */
  readonly data: string;
  /** Folder of identity, policy, pinned aggregator and ledger. */
  readonly state: string;
  /** Tensor backend. */
  readonly backend: BackendPreference;
  /** Share of patients that are never trained on, so that models can be evaluated on them. */
  readonly heldOut: number;
  /** Give up after so long without an answer, seconds. */
  readonly reconnectSeconds: number;
}

const name = z.string().regex(
  /^[a-z0-9][a-z0-9_-]{0,62}$/,
  "lower-case letters, digits, - and _, at most 63",
);
const share = z.number().gt(0).lte(1);
const backend = z.enum(["auto", "webgpu", "wasm", "cpu"]).default("auto");

const size = z.number().int().min(1).max(4096);
const attention = z.strictObject({
  tokens: size.exactOptional(),
  blocks: size.max(MAX_ATTENTION_BLOCKS).exactOptional(),
  heads: size.exactOptional(),
  hidden: size.exactOptional(),
}).exactOptional();

const AggregatorConfigSchema: z.ZodType<AggregatorConfig> = z.strictObject({
  federation: name,
  listen: z.strictObject({
    hostname: z.string().default("127.0.0.1"),
    port: z.number().int().min(0).max(65535).default(7730),
    stayMs: z.number().int().min(0).max(7 * 24 * 3600 * 1000).default(0),
  }).prefault({}),
  state: z.string(),
  store: z.string().regex(/^postgres(ql)?:\/\//, "postgres://user:password@host:port/database").optional(),
  advertise: z.url({ protocol: /^https?$/ }).optional(),
  run: z.string(),
  sites: z.array(name).min(3).max(1000),
  data: z.strictObject({ public: z.string(), test: z.string().optional() }),
  foundationModel: z.string().default(EMBEDDED_MODEL),
  startFrom: z.string().optional(),
  tasks: z.array(z.string()).optional(),
  mode: z.enum(["distributed", "local"]).default("distributed"),
  local: LocalScheduleConfigSchema.prefault({}),
  model: z.strictObject({
    dEnc: size.exactOptional(),
    hidden: size.exactOptional(),
    federate: z.array(z.string().min(1)).min(1).exactOptional(),
    attention: z.strictObject({
      timeseries: attention,
      vector: attention,
      image: attention,
      signal: attention,
      text: attention,
    }).exactOptional(),
  }).prefault({}),
  privacy: z.strictObject({
    epsilon: z.number().gt(0).default(8),
    delta: z.number().gt(0).lt(1).default(1e-5),
    neighboring: z.literal("add_or_remove_one"),
    colluders: z.number().int().min(1).default(1),
    maxUnitsPerStep: z.number().int().min(1).default(1024),
    samplingRate: z.record(z.string(), share).optional(),
    maxGradNorm: z.record(z.string(), z.number().gt(0)).optional(),
  }),
  rounds: z.strictObject({
    steps: z.number().int().min(1).max(100_000).optional(),
    minimumSites: z.number().int().min(3).optional(),
    cohort: z.number().int().min(3).optional(),
    phaseDeadlineMs: z.number().int().min(100).default(30_000),
    joinDeadlineMs: z.number().int().min(100).default(600_000),
    chunkBytes: z.number().int().min(1024).default(4 * 1024 * 1024),
  }).prefault({}),
  sumCheck: SumCheckSchema.optional(),
  optimizer: z.strictObject({
    name: z.enum(STRATEGIES).optional(),
    learningRate: z.number().gt(0).optional(),
    anchorDecay: z.number().min(0).max(1).default(0),
  }).prefault({}),
  evaluation: EvaluationConfigSchema.optional(),
  injection: z.strictObject({
    epochs: z.number().int().min(1).optional(),
    trainEncoders: z.boolean().optional(),
  }).prefault({}),
  seed: z.number().int().min(0).default(1),
  backend,
  tls: z.strictObject({
    cert: z.string(),
    key: z.string(),
    clientCa: z.string().optional(),
    peerCa: z.string().optional(),
  }).optional(),
  metrics: MetricsConfigSchema.prefault({}),
}).refine(
  ({ optimizer, mode, local }) => optimizer.name !== "fedprox" || (mode === "local" && local.proximal > 0),
  { path: ["optimizer", "name"], message: 'fedprox needs mode = "local" and local.proximal above 0' },
);

const ClientConfigSchema: z.ZodType<ClientConfig> = z.strictObject({
  data: z.string(),
  state: z.string(),
  backend,
  heldOut: z.number().min(0).max(0.5).default(0),
  reconnectSeconds: z.number().gt(0).default(60),
  caFile: z.string().optional(),
  clientCert: z.string().optional(),
  clientKey: z.string().optional(),
  proxy: z.string().optional(),
});

/** The two services that read a configuration. */
export type Service = "aggregator" | "client";

/** Fields of a configuration that are not checked yet. */
export type ConfigFields = Record<string, unknown>;

/** Fields that hold paths of files or folders. */
const PATHS: Readonly<Record<Service, readonly string[]>> = {
  aggregator: [
    "state",
    "run",
    "foundationModel",
    "startFrom",
    "data.public",
    "data.test",
    "tls.cert",
    "tls.key",
    "tls.clientCa",
    "tls.peerCa",
    "metrics.tokenFile",
  ],
  client: ["data", "state", "caFile", "clientCert", "clientKey"],
};

/**
 * Reads the aggregator's TOML or JSON file; relative paths are taken from the file's folder.
 * @param file path ending in .toml or .json
 * @throws FedKimError `ConfigError` for a missing, unreadable or wrong file, naming each wrong field
 */
export async function readAggregatorConfig(file: string): Promise<AggregatorConfig> {
  return checkAggregatorConfig(await readConfigFields("aggregator", file), `The configuration ${file}`);
}

/** Reads a site's TOML or JSON file. @throws FedKimError as {@link readAggregatorConfig} */
export async function readClientConfig(file: string): Promise<ClientConfig> {
  return checkClientConfig(await readConfigFields("client", file), `The configuration ${file}`);
}

/**
 * Checks the aggregator's fields and fills in defaults.
 * @param fields what was read, from one place or merged from several
 * @param name what to call it in an error, e.g. `The configuration a.toml`
 * @throws FedKimError `ConfigError` that names each wrong field
 */
export function checkAggregatorConfig(fields: ConfigFields, name: string): AggregatorConfig {
  return check(fields, AggregatorConfigSchema, name);
}

/** Checks a site's fields. @throws FedKimError as {@link checkAggregatorConfig} */
export function checkClientConfig(fields: ConfigFields, name: string): ClientConfig {
  return check(fields, ClientConfigSchema, name);
}

/** The JSON Schema (draft 2020-12) of a service's configuration, as one may write it: defaults may be left out. */
export function configJsonSchema(service: Service): ConfigFields {
  const schema = service === "aggregator" ? AggregatorConfigSchema : ClientConfigSchema;
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
}

/** Takes relative paths among the fields from a folder. */
export function resolveConfigPaths(service: Service, fields: ConfigFields, base: string): void {
  for (const path of PATHS[service]) resolvePath(fields, path.split("."), base);
}

/** Reads a file without checking its fields; relative paths are taken from its folder. @throws FedKimError `ConfigError` */
export async function readConfigFields(service: Service, file: string): Promise<ConfigFields> {
  try {
    const text = await Deno.readTextFile(file);
    const fields = extname(file) === ".toml" ? parseToml(text) : JSON.parse(text);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
      throw new TypeError("no object at the top");
    }
    resolveConfigPaths(service, fields, dirname(file));
    return fields;
  } catch (error) {
    throw new FedKimError("ConfigError", `The configuration ${file} cannot be read.`, {
      found: error instanceof Error ? error.message.split("\n")[0] : String(error),
      needed: "a TOML (.toml) or JSON (.json) file",
      cause: error,
    });
  }
}

function check<T>(fields: ConfigFields, schema: z.ZodType<T>, name: string): T {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new FedKimError("ConfigError", `${name} is not valid.`, {
    found: issues.slice(0, 5).join("; "),
    remedy: "correct these fields; docs/configuration.md lists all of them",
  });
}

function resolvePath(value: unknown, path: readonly string[], base: string): void {
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  const [key, ...rest] = path;
  const place = object[key];
  if (rest.length > 0) resolvePath(place, rest, base);
  else if (key === "foundationModel" && place === EMBEDDED_MODEL) return;
  else if (typeof place === "string") object[key] = resolve(base, place);
}
