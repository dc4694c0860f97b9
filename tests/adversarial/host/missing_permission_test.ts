import assert from "node:assert/strict";
import { askAggregator } from "../../../cli/_site_checks.ts";
import { check } from "../../../cli/_doctor_check.ts";
import { AggregatorClient } from "../../../src/federation/aggregator_client.ts";
import { generateIdentity } from "../../../src/secure_agg/mod.ts";

const REFUSAL = {
  code: "ConfigError",
  message: /no net access to "127\.0\.0\.1:7731".*--allow-net=127\.0\.0\.1:7731.*supply_chain\.md/,
};
const ADDRESS = "http://127.0.0.1:7731";

Deno.test({
  name:
    "without the network permission a worker that would try for an hour fails at once and says what is missing",
  permissions: { net: false },
  fn: async () => {
    const { signal } = new AbortController();
    const client = new AggregatorClient(ADDRESS, generateIdentity("a"), 3_600_000, signal);
    await assert.rejects(client.postJson("/v1/join", {}), REFUSAL);
    await assert.rejects(client.nextLetter(0), REFUSAL);
  },
});

Deno.test({
  name: "without the network permission the health question and the doctor name it, not the firewall",
  permissions: { net: false },
  fn: async () => {
    await assert.rejects(askAggregator(ADDRESS), REFUSAL);
    const { ok, detail, remedy } = await check("aggregator", "check the firewall", async () => {
      await fetch(ADDRESS);
      return "reached";
    });
    assert.equal(ok, false);
    assert.match(detail, REFUSAL.message);
    assert.match(remedy!, /supply_chain\.md/);
  },
});
