import assert from "node:assert/strict";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import { assertExactRun } from "./_exact_run.ts";
import { type Seen, TestFederation } from "./_federation.ts";

const STEPS = 3;
/** Seconds for which sites look for an aggregator that is away. */
const PATIENCE = 90;

/** Resolves when the aggregator gets its n-th message of a type in a step. */
function message(federation: TestFederation, step: number, type: string, n: number): Promise<void> {
  let count = 0;
  return new Promise((resolve) => {
    federation.onSeen = ({ path, body }: Seen) => {
      if (path !== `/v1/rounds/${step}/messages` || decodeMessage(body).type !== type) return;
      if (++count === n) resolve();
    };
  });
}

const create = async () =>
  TestFederation.create(await Deno.makeTempDir(), STEPS, 30_000, 120_000, {}, PATIENCE);

Deno.test("an aggregator that is killed in any phase, and an upload that is put out, lose or double no sum, charge or share", async () => {
  const federation = await create();
  try {
    const points: readonly (readonly [number, string, number])[] = [
      [1, "advertise_keys", 2],
      [2, "commit_vector", 3],
      [3, "unmask", 4],
    ];
    // One site's first commit is told that its upload was put out: it sends the very same vector again.
    const first: Uint8Array[] = [];
    let again = 0;
    federation.intercept = ({ path, site, body }) => {
      if (path !== "/v1/rounds/1/messages" || site !== "site-south") return undefined;
      const { type } = decodeMessage(body);
      if (type === "masked_chunk" && again === 0) first.push(body);
      else if (type === "masked_chunk") assert.deepEqual(body, first[again++ - 1]);
      if (type !== "commit_vector" || again > 0) return undefined;
      again = 1;
      return Response.json({ code: "ProtocolAbort", detail: "put out", reason: "incomplete_vector" }, {
        status: 409,
      });
    };
    federation.start();
    for (const point of points) {
      await message(federation, ...point);
      await federation.stopAggregator("SIGKILL");
      await federation.startAggregator();
    }
    const { code, log } = await federation.finished();
    assert.equal(code, 0, log);
    await assertExactRun(federation, STEPS);
    assert.equal(again, first.length + 1, "the whole vector came twice");
  } finally {
    await federation.close();
  }
});

Deno.test("SIGTERM says that the same command goes on; another configuration is refused; then the run goes on", async () => {
  const federation = await create();
  try {
    const reached = message(federation, 2, "share_keys", 2);
    federation.start();
    await reached;
    const stopped = await federation.stopAggregator("SIGTERM");
    assert.equal(stopped.code, 130, stopped.log);
    assert.match(stopped.log, /Interrupted: .*same command goes on with the run/);
    const file = `${federation.dir}/aggregator.json`;
    const config = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, JSON.stringify({ ...JSON.parse(config), seed: 2 }));
    await federation.startAggregator();
    const refused = await federation.finished();
    assert.equal(refused.code, 2, refused.log);
    assert.match(refused.log, /ConfigError: The unfinished run was begun with another configuration/);
    await Deno.writeTextFile(file, config);
    await federation.startAggregator();
    const { code, log } = await federation.finished();
    assert.equal(code, 0, log);
    await assertExactRun(federation, STEPS);
  } finally {
    await federation.close();
  }
});
