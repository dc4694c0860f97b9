/** `--print-config`: the merged configuration and where each value came from. @module */
import type { LayeredConfig } from "./_config_layers.ts";
import { leavesOf } from "./_config_paths.ts";
import { out, table } from "./terminal.ts";

/** Prints a configuration as a table, or as one JSON document. Passwords in addresses are left out. */
export function printConfig({ config, origins }: LayeredConfig<object>, json: boolean): void {
  const leaves = leavesOf(config).map(([path, value]) => [path, withoutPassword(value)] as const);
  if (json) {
    const values = leaves.map(([path, value]) => [path, { value, origin: origins[path] }]);
    return out.result(JSON.stringify({ config: Object.fromEntries(values) }));
  }
  const show = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  out.result(
    table(["field", "value", "from"], leaves.map(([path, value]) => [path, show(value), origins[path]])),
  );
}

/** An address keeps its user and host, not its password. */
function withoutPassword(value: unknown): unknown {
  if (typeof value !== "string") return value;
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/[^:/@\s]*):[^/\s]*@/i, "$1:…@");
}
