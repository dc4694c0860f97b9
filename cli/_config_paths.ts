/** Fields of a configuration by dotted path and by name of an environment variable, read off its JSON Schema. @module */
import { type ConfigFields, configJsonSchema, type Service } from "../src/federation/mod.ts";

/** What is read of a JSON Schema. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

/** A field that can be set: a leaf, a whole list, or the values of a record by any key (`*`). */
export interface Field {
  /** Dotted path, e.g. `privacy.maxUnitsPerStep`; the last part of a record's values is `*`. */
  readonly path: string;
  /** What a text for it is read as. */
  readonly type: "string" | "number" | "boolean" | "list" | "json";
}

/** Every field of a service's configuration that can be set, in the order of the schema. */
export function configFields(service: Service): Field[] {
  const found = new Map<string, Field>();
  collect(configJsonSchema(service) as Schema, "", found);
  return [...found.values()];
}

function collect(schema: Schema, path: string, found: Map<string, Field>): void {
  const below = (name: string) => (path === "" ? name : `${path}.${name}`);
  if (schema.properties !== undefined) {
    for (const [name, field] of Object.entries(schema.properties)) collect(field, below(name), found);
    return;
  }
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices?.some((choice) => choice.properties !== undefined)) {
    found.set(path, { path, type: "json" });
    for (const choice of choices) collect(choice, path, found);
    return;
  }
  found.set(path, { path, type: typeOf(schema) });
  if (typeof schema.additionalProperties === "object") {
    found.set(below("*"), { path: below("*"), type: typeOf(schema.additionalProperties) });
  }
}

function typeOf(schema: Schema): Field["type"] {
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "string" || schema.type === "boolean") return schema.type;
  return schema.type === "array" && schema.items?.type === "string" ? "list" : "json";
}

/** The field of a path, if there is one. */
export function fieldAt(fields: readonly Field[], path: string): Field | undefined {
  const parent = path.slice(0, path.lastIndexOf(".") + 1);
  return fields.find((field) => field.path === path) ??
    (parent === "" ? undefined : fields.find((field) => field.path === `${parent}*`));
}

/** `FEDKIM_AGGREGATOR_` or `FEDKIM_CLIENT_`. */
export const environmentPrefix = (service: Service): string => `FEDKIM_${service.toUpperCase()}_`;

/** The environment variable of a path: parts joined by `__`, words by `_`. */
export function environmentName(service: Service, path: string): string {
  const parts = path.split(".").map((part) => part.replace(/(?<=[a-z0-9])[A-Z]/g, "_$&").toUpperCase());
  return environmentPrefix(service) + parts.join("__");
}

/** The path of an environment variable, if it names a field; keys of records are taken in lower case. */
export function pathOfEnvironment(
  service: Service,
  fields: readonly Field[],
  name: string,
): string | undefined {
  const exact = fields.find(({ path }) => environmentName(service, path) === name);
  if (exact !== undefined && !exact.path.endsWith("*")) return exact.path;
  const record = fields.find(({ path }) =>
    path.endsWith(".*") && name.startsWith(environmentName(service, path.slice(0, -1)))
  );
  if (record === undefined) return undefined;
  const key = name.slice(environmentName(service, record.path.slice(0, -1)).length).toLowerCase();
  return key === "" || key.includes("__") ? undefined : record.path.slice(0, -1) + key;
}

/** Puts a value at a dotted path, making the objects above it. */
export function setAt(fields: ConfigFields, path: string, value: unknown): void {
  const parts = path.split(".");
  const last = parts.pop()!;
  let place = fields;
  for (const part of parts) {
    const next = place[part];
    place = (typeof next === "object" && next !== null ? next : place[part] = {}) as ConfigFields;
  }
  place[last] = value;
}

/** Paths and values of everything that is set, lists as a whole. */
export function leavesOf(value: unknown, path = ""): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).filter(([, item]) => item !== undefined).flatMap(([name, item]) =>
    leavesOf(item, path === "" ? name : `${path}.${name}`)
  );
}
