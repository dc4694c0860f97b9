import { parse as parseToml } from "smol-toml";
import { dirname, extname, resolve } from "node:path";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";

const name = z.string().regex(
  /^[a-z0-9][a-z0-9_-]{0,62}$/,
  "lower-case letters, digits, - and _, at most 63",
);
const share = z.number().gt(0).lte(1);

/** Configuration of the aggregator service; `docs/configuration.md` explains every field. */
export const AggregatorConfigSchema = z.strictObject({
  federation: name,
  listen: z.strictObject({
    hostname: z.string().default("127.0.0.1"),
    port: z.number().int().min(0).max(65535).default(7730),
  }).prefault({}),
  state: z.string(),
  run: z.string(),
  sites: z.array(name).min(3).max(64),
  data: z.strictObject({ public: z.string(), test: z.string().optional() }),
  foundationModel: z.string(),
  tasks: z.array(z.string()).optional(),
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
    phaseDeadlineMs: z.number().int().min(100).default(30_000),
    joinDeadlineMs: z.number().int().min(100).default(600_000),
    chunkBytes: z.number().int().min(1024).default(4 * 1024 * 1024),
  }).prefault({}),
  optimizer: z.strictObject({
    name: z.enum(["fedavg", "fedadam", "fedyogi"]).default("fedadam"),
    learningRate: z.number().gt(0).optional(),
    anchorDecay: z.number().min(0).max(1).default(0),
  }).prefault({}),
  injection: z.strictObject({
    epochs: z.number().int().min(1).optional(),
  }).prefault({}),
  seed: z.number().int().min(0).default(1),
  backend: z.enum(["auto", "webgpu", "wasm", "cpu"]).default("auto"),
});

/** Configuration of the aggregator service, with defaults filled in. */
export type AggregatorConfig = z.infer<typeof AggregatorConfigSchema>;

/** Configuration of a site worker. */
export const ClientConfigSchema = z.strictObject({
  data: z.string(),
  state: z.string(),
  backend: z.enum(["auto", "webgpu", "wasm", "cpu"]).default("auto"),
  reconnectSeconds: z.number().gt(0).default(60),
});

/** Configuration of a site worker, with defaults filled in. */
export type ClientConfig = z.infer<typeof ClientConfigSchema>;

/** Checks a configuration object. @throws FedKimError `ConfigError` naming each wrong field */
export function checkConfig<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new FedKimError("ConfigError", `The configuration ${where} is not valid.`, {
    found: issues.slice(0, 5).join("; "),
    remedy: "correct these fields; docs/configuration.md lists all of them",
  });
}

/**
 * Reads a TOML or JSON configuration file; relative paths in `paths` are taken from the file's folder.
 * @param file path ending in .toml or .json
 * @param schema the shape wanted
 * @param paths dotted names of the fields that hold paths
 * @throws FedKimError `ConfigError` for a missing, unreadable or wrong file
 */
export async function readConfig<T>(
  file: string,
  schema: z.ZodType<T>,
  paths: readonly string[],
): Promise<T> {
  let value: unknown;
  try {
    const text = await Deno.readTextFile(file);
    value = extname(file) === ".toml" ? parseToml(text) : JSON.parse(text);
  } catch (error) {
    throw new FedKimError("ConfigError", `The configuration ${file} cannot be read.`, {
      found: error instanceof Error ? error.message.split("\n")[0] : String(error),
      needed: "a TOML (.toml) or JSON (.json) file",
      cause: error,
    });
  }
  for (const path of paths) resolvePath(value, path.split("."), dirname(file));
  return checkConfig(schema, value, file);
}

function resolvePath(value: unknown, path: readonly string[], base: string): void {
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  const [key, ...rest] = path;
  if (rest.length > 0) resolvePath(object[key], rest, base);
  else if (typeof object[key] === "string") object[key] = resolve(base, object[key]);
}
