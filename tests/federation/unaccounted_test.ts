import assert from "node:assert/strict";
import { JoinSchema } from "../../src/federation/api/schemas.ts";
import { populationsHeld, signHoldings } from "../../src/federation/holdings.ts";
import { HEADERS, signRequest } from "../../src/federation/request_auth.ts";
import { UNACCOUNTED_RELEASES } from "../../src/federation/unaccounted.ts";
import { sites } from "./_plan.ts";

/** Where the list of every report says each part of what a site sends beside the protocol. */
const LISTED: Readonly<Record<string, string>> = {
  head: "Ledger head",
  holdings: "Sets held",
  "user-agent": "Software",
};
/** Headers that prove who asks and what, and say nothing of the site beside its name. */
const PROOF = ["content-digest", "signature", "signature-input", HEADERS.protocol];

Deno.test("whatever a join and the headers of a request say of a site is in the list of what is not accounted for", () => {
  const head = { sequence: 0, hash: "00".repeat(32) };
  const join = JoinSchema.parse({ head, holdings: signHoldings(sites[0], populationsHeld(["icu"], true)) });
  const headers = [...signRequest(sites[0], "POST", "/v1/join", new Uint8Array()).keys()];
  const said = [...Object.keys(join), ...headers.filter((name) => !PROOF.includes(name))];
  assert.deepEqual(said.sort(), Object.keys(LISTED).sort());
  for (const name of said) {
    assert.ok(UNACCOUNTED_RELEASES.some(({ what }) => what === LISTED[name]), name);
  }
});

Deno.test("the page on architecture names everything of the list that leaves a site", async () => {
  const text = (await Deno.readTextFile(new URL("../../docs/architecture.md", import.meta.url))).replace(
    /\s+/g,
    " ",
  );
  const from = text.indexOf("## Numbers that leave a site");
  const part = text.slice(from, text.indexOf("## ", from + 3));
  const words = ["the acceptance or the code of a refusal", "names of the sets", "holds patients out"];
  for (const word of [...words, "the ledger's head", "`user-agent`", "a statement of its ledger", "Timing"]) {
    assert.ok(part.includes(word), word);
  }
});
