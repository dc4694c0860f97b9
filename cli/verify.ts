import { verifyAccountingFile } from "../src/dp/mod.ts";
import { verifyDecoder } from "../src/foundation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { verifyM3oe } from "../src/m3oe/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { out, table } from "./terminal.ts";

/** `fedkim verify accounting | decoder | m3oe`: recompute a reference file with this build. */
export async function verify(
  options: Options<"verify accounting"> | Options<"verify decoder"> | Options<"verify m3oe">,
): Promise<void> {
  if (options.verb === "verify accounting") return verifyAccounting(options);
  await selectBackend(options.backend);
  const result = options.verb === "verify decoder"
    ? await verifyDecoder(options.dir)
    : await verifyM3oe(options.file);
  if (options.json) return out.result(JSON.stringify(result));
  const rows = Object.entries(result.maxRelativeError).map(([name, error]) => [name, error.toExponential(2)]);
  out.result(table(["value", `largest relative error (${result.backend})`], rows));
}

function verifyAccounting(options: Options<"verify accounting">): void {
  let text: string;
  try {
    text = Deno.readTextFileSync(options.file);
  } catch (cause) {
    throw new FedKimError("FormatError", "The accounting file cannot be read.", {
      found: options.file,
      needed: "a JSON file with rows of composition, accountant and query",
      cause,
    });
  }
  const result = verifyAccountingFile(text);
  if (options.json) return out.result(JSON.stringify(result));
  out.result(
    table(
      ["row", "value"],
      result.rows.map((row) => [row.id, "error" in row ? `error: ${row.error}` : String(row.value)]),
    ),
  );
}
