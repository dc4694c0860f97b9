/** A configuration from defaults < file < environment < flags, which remembers where each value came from. @module */
import {
  type AggregatorConfig,
  checkAggregatorConfig,
  checkClientConfig,
  type ClientConfig,
  type ConfigFields,
  readConfigFields,
  resolveConfigPaths,
  type Service,
} from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import {
  configFields,
  environmentName,
  environmentPrefix,
  type Field,
  fieldAt,
  leavesOf,
  pathOfEnvironment,
  setAt,
} from "./_config_paths.ts";
import { didYouMean } from "./_similar.ts";

/** Where a service's configuration comes from. */
export interface ConfigSources {
  /** TOML or JSON file. */
  readonly file?: string | undefined;
  /** The environment; only names with the service's prefix are looked at. */
  readonly environment: Readonly<Record<string, string>>;
  /** `path=value` texts of `--set`, in order. */
  readonly set: readonly string[];
  /** Values of flags of their own, by path, with the flag's name; undefined where the flag was left out. */
  readonly flags: readonly { readonly path: string; readonly flag: string; readonly value: unknown }[];
}

/** A checked configuration, and where each of its values came from. */
export interface LayeredConfig<T> {
  /** The merged and checked result. */
  readonly config: T;
  /** `default`, the file's path, the variable's name, `--set` or a flag, by dotted path. */
  readonly origins: Readonly<Record<string, string>>;
}

/** The aggregator's configuration. @throws FedKimError `ConfigError` that names each wrong field or variable */
export async function layeredAggregatorConfig(
  sources: ConfigSources,
): Promise<LayeredConfig<AggregatorConfig>> {
  return await layered("aggregator", sources, checkAggregatorConfig);
}

/** A site's configuration. @throws FedKimError as {@link layeredAggregatorConfig} */
export async function layeredClientConfig(sources: ConfigSources): Promise<LayeredConfig<ClientConfig>> {
  return await layered("client", sources, checkClientConfig);
}

async function layered<T extends object>(
  service: Service,
  sources: ConfigSources,
  check: (fields: ConfigFields, name: string) => T,
): Promise<LayeredConfig<T>> {
  const fields = configFields(service);
  const above = [
    ...fromEnvironment(service, fields, sources.environment),
    ...sources.set.map((text) => fromSet(fields, text)),
    ...sources.flags.filter(({ value }) => value !== undefined).map(({ path, flag, value }) => ({
      path,
      origin: flag,
      value,
    })),
  ];
  if (sources.file === undefined && above.length === 0) {
    throw new FedKimError("ConfigError", `The ${service} has no configuration.`, {
      needed: `--config FILE, --set path=value, or variables such as ${environmentName(service, "state")}`,
      remedy: `write a file as docs/configuration.md shows, and start: fedkim ${service} --config FILE`,
    });
  }
  const merged = sources.file === undefined ? {} : await readConfigFields(service, sources.file);
  const set: Record<string, string> = {};
  for (const [path] of leavesOf(merged)) set[path] = sources.file!;
  const overrides: ConfigFields = {};
  for (const { path, value } of above) setAt(overrides, path, value);
  resolveConfigPaths(service, overrides, Deno.cwd());
  for (const { path, origin } of above) {
    setAt(merged, path, path.split(".").reduce<unknown>((at, part) => (at as ConfigFields)[part], overrides));
    for (const known of Object.keys(set)) if (known.startsWith(`${path}.`)) delete set[known];
    set[path] = origin;
  }
  const config = check(
    merged,
    sources.file === undefined ? "The configuration" : `The configuration ${sources.file}`,
  );
  const origins = leavesOf(config).map(([path]) => [path, originOf(path, set)]);
  return { config, origins: Object.fromEntries(origins) };
}

/** A value inside a list or record that was set as a whole has the whole's origin. */
function originOf(path: string, set: Readonly<Record<string, string>>): string {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
    if (set[at] !== undefined) return set[at];
  }
  return "default";
}

interface Override {
  readonly path: string;
  readonly origin: string;
  readonly value: unknown;
}

function fromEnvironment(
  service: Service,
  fields: readonly Field[],
  environment: Readonly<Record<string, string>>,
): Override[] {
  const prefix = environmentPrefix(service);
  const names = Object.keys(environment).filter((name) => name.startsWith(prefix)).toSorted();
  return names.map((name) => {
    const path = pathOfEnvironment(service, fields, name);
    if (path === undefined) {
      const known = fields.filter((field) => !field.path.endsWith("*")).map((field) =>
        environmentName(service, field.path)
      );
      throw unknown(`The environment variable ${name} names no field.`, didYouMean(name, known));
    }
    return { path, origin: name, value: valueOf(fieldAt(fields, path)!, environment[name], name) };
  });
}

function fromSet(fields: readonly Field[], text: string): Override {
  const at = text.indexOf("=");
  if (at <= 0) {
    throw new FedKimError("ConfigError", "--set cannot be read.", {
      found: at < 0 ? `${text}, without =` : "no path before =",
      needed: "path=value, e.g. --set rounds.steps=200",
    });
  }
  const path = text.slice(0, at);
  const field = fieldAt(fields, path);
  if (field === undefined) {
    const known = fields.map((known) => known.path).filter((known) => !known.endsWith("*"));
    throw unknown(`--set ${path} names no field.`, didYouMean(path, known));
  }
  return { path, origin: `--set ${path}`, value: valueOf(field, text.slice(at + 1), `--set ${path}`) };
}

function unknown(summary: string, hint: string): FedKimError {
  const remedy = "take a name of docs/configuration.md";
  return new FedKimError("ConfigError", hint === "" ? summary : `${summary} ${hint}`, { remedy });
}

/** Reads a text as what the field is; the schema has the last word. */
function valueOf({ type }: Field, text: string, origin: string): unknown {
  if (type === "string") return text;
  if (type === "list" && !text.trimStart().startsWith("[")) {
    return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FedKimError("ConfigError", `${origin} cannot be read.`, {
      needed:
        { number: "a number", boolean: "true or false", list: "a,b,c or a JSON list", json: "JSON" }[type],
      cause,
    });
  }
}
