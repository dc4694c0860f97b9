/** The environment variables that configure a service, within what this program may read. @module */
import type { Service } from "../src/federation/mod.ts";
import { configFields, environmentName, environmentPrefix } from "./_config_paths.ts";

/**
 * Variables of a service. A program that may see only named variables, as the single binaries, cannot list the
 * environment: it then asks for each field's variable, and a misspelt one stays unseen.
 */
export function serviceEnvironment(service: Service): Record<string, string> {
  const names = namesOf(service);
  return Object.fromEntries(names.map((name) => [name, Deno.env.get(name)!] as const));
}

/** Takes the variables of both services out of this process, so that its children do not get them. */
export function forgetServiceEnvironment(): void {
  for (const service of ["aggregator", "client"] as const) {
    for (const name of namesOf(service)) Deno.env.delete(name);
  }
}

function namesOf(service: Service): string[] {
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") {
    return Object.keys(Deno.env.toObject()).filter((name) => name.startsWith(environmentPrefix(service)));
  }
  const known = configFields(service).filter(({ path }) => !path.endsWith("*")).map(({ path }) =>
    environmentName(service, path)
  );
  return known.filter((variable) =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted" &&
    Deno.env.get(variable) !== undefined
  );
}
