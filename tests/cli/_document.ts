import assert from "node:assert/strict";
import type { Command } from "../../cli/args.ts";
import { undocumented } from "../../cli/documents.ts";

/** The one document that a verb printed on stdout, after a look that it is one of those in the table. */
export function documentOf(
  verb: string,
  stdout: string,
): Record<string, unknown> & { readonly [name: string]: unknown } {
  assert.equal(stdout.trimEnd().split("\n").length, 1, `${verb} prints one line`);
  const document = JSON.parse(stdout);
  assert.deepEqual(undocumented(verb as Command["verb"], document), [], verb);
  return document;
}
