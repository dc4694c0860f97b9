import { verifyAccountingFile } from "../src/dp/mod.ts";
import { join } from "node:path";
import { AuditLog, openStore, STORE_FILE } from "../src/federation/mod.ts";
import { verifyDecoder } from "../src/foundation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { fileInfo } from "../src/formats/file_info.ts";
import { verifyM3oe } from "../src/m3oe/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { out, table } from "./terminal.ts";

/** `fedkim verify accounting | decoder | m3oe | audit`: recompute a reference file, or the audit log, with this build. */
export async function verify(
  options:
    | Options<"verify accounting">
    | Options<"verify decoder">
    | Options<"verify m3oe">
    | Options<"verify audit">,
): Promise<void> {
  if (options.verb === "verify audit") return await verifyAudit(options);
  if (options.verb === "verify accounting") return verifyAccounting(options);
  await selectBackend(options.backend);
  const result = options.verb === "verify decoder"
    ? await verifyDecoder(options.dir, out.note)
    : await verifyM3oe(options.file);
  if (options.json) return out.result(JSON.stringify(result));
  const rows = Object.entries(result.maxRelativeError).map(([name, error]) => [name, error.toExponential(2)]);
  out.result(table(["value", `largest relative error (${result.backend})`], rows));
}

async function verifyAudit({ state, store, json }: Options<"verify audit">): Promise<void> {
  const place = store ?? join(state, STORE_FILE);
  if (store === undefined && !((await fileInfo(place))?.isFile)) {
    throw new FedKimError("ConfigError", "There is no aggregator's store here.", {
      found: `no file ${place}`,
      remedy: "name the aggregator's state folder, or its PostgreSQL by --store",
    });
  }
  const opened = await openStore(place);
  try {
    const newest = await new AuditLog(opened).verify();
    const summary = { entries: newest?.sequence ?? 0, newest: newest?.hash ?? null };
    out.result(
      json
        ? JSON.stringify(summary)
        : `${summary.entries} entries follow from each other. Note the newest hash: ${
          summary.newest ?? "none"
        }`,
    );
  } finally {
    await opened.close();
  }
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
