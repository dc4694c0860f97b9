import { FedKimError } from "./errors.ts";

/** How Deno says what it refused. */
const SENTENCE = /^Requires (\w+) access(?: to (.+?))?, (?:run again|specify)/;
/** Causes of causes that are looked at. */
const DEPTH = 8;

/**
 * What to say where Deno refused something that this process was not granted: no second try can go better, and nothing
 * is wrong with the other side.
 *
 * @param error anything that was caught
 * @returns `ConfigError`, reason `permission`, that names the permission and what was tried; undefined where neither the
 * error nor what caused it is such a refusal
 */
export function missingPermission(error: unknown): FedKimError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < DEPTH; at = at.cause, depth++) {
    if (at instanceof FedKimError && at.details.reason === "permission") return at;
    if (at.name !== "NotCapable") continue;
    const [, name, what] = SENTENCE.exec(at.message) ?? [];
    return new FedKimError("ConfigError", "This process was started without a permission that it needs.", {
      reason: "permission",
      found: name === undefined ? at.message : `no ${name} access${what === undefined ? "" : ` to ${what}`}`,
      needed: name === undefined ? "the permission" : flagOf(name, what),
      remedy:
        "grant it where the process is started; docs/supply_chain.md names the least that each verb needs",
      cause: error,
    });
  }
  return undefined;
}

/** The option of `deno run` that grants it. */
function flagOf(name: string, what: string | undefined): string {
  const quoted = /^"(.*)"$/.exec(what ?? "");
  return quoted === null ? `--allow-${name}` : `--allow-${name}=${quoted[1]}`;
}
