import assert from "node:assert/strict";
import { copy } from "./_copy.ts";
import { countersignHead } from "../../../src/federation/ledger_head.ts";
import { EnrollmentBook, SITE_FILES } from "../../../src/federation/mod.ts";
import { sealRoundOrder } from "../../../src/federation/round_order.ts";
import {
  type AdvertiseKeysMessage,
  advertLeaf,
  IndexSet,
  nativeProvider,
  type RosterEntry,
} from "../../../src/secure_agg/mod.ts";
import { root } from "../../_fedkim.ts";
import { attack } from "./_step.ts";
import { inWorld, SITES, VICTIM, type Worker, type World } from "./_world.ts";

const all = (world: World) => SITES.map((site) => world.start(site));
const dismiss = (world: World, workers: readonly Worker[]) =>
  Promise.all(workers.map((worker) => world.dismiss(worker)));
const head = async (world: World, state?: string) => {
  const { sequence, hash } = (await world.ledger(VICTIM, state)).at(-1)!;
  return { sequence: sequence as number, hash: hash as string };
};

Deno.test("a second worker on a state folder in use is refused, in this process and in another", () =>
  inWorld(async (world) => {
    const first = world.start(VICTIM);
    await world.until(() => first.events.some(({ kind }) => kind === "accepted"));
    const { error } = await world.start(VICTIM).ended;
    assert.deepEqual([error?.code, error?.details.reason], ["LedgerError", "locked"]);
    const config = `${world.dir}/client.json`;
    await Deno.writeTextFile(
      config,
      JSON.stringify({ data: `${world.data}/${VICTIM}`, state: world.state(VICTIM), backend: "cpu" }),
    );
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "cli/main.ts", "client", "--config", config],
      cwd: root,
      stdin: "null",
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.equal(code, 23, said);
    assert.match(said, /Another process is using this privacy ledger/);
    const { error: none } = await world.dismiss(first);
    assert.equal(none, undefined);
    assert.deepEqual(await world.charged(VICTIM), []);
  }));

Deno.test("of two copies of a site in one step at most one is summed, and both are charged", () =>
  inWorld(async (world) => {
    await attack(world);
    const fork = `${world.dir}/fork`;
    await copy(world.state(VICTIM), fork);
    // From here on the two ledgers differ, whatever the clock says: one notes another budget.
    await world.allow(VICTIM, { maxEpsilon: 9 });
    const workers = [world.start(VICTIM)];
    workers.push(world.start(VICTIM, undefined, {}, fork));
    const { sent, round, survivors } = await attack(world, {
      workers,
      patience: ({ heard }) => heard(VICTIM).length > 1,
    });
    // The copy that is not on the roster says so in the site's name: that may take the other one's vector out, too.
    assert.ok(survivors.length >= 3);
    const count = (type: string) => sent.filter((one) => one === type).length;
    assert.equal(count("advertise_keys"), 2);
    assert.ok(count("commit_vector") <= 1 && count("abort") >= 1);
    assert.ok(count("unmask") <= 1);
    const endings = await dismiss(world, workers);
    assert.ok(endings.some(({ error }) => error === undefined));
    const refusals = endings.flatMap(({ error }) => error === undefined ? [] : [error.details.reason]);
    assert.deepEqual(refusals, ["own_keys_missing"]);
    for (const state of [world.state(VICTIM), fork]) {
      assert.ok((await world.charged(VICTIM, state)).includes(round));
    }

    // An honest aggregator has noted one head; the other copy, which went its own way, is told so and stops.
    const original = world.state(VICTIM);
    for (const [mine, other, reason] of [[original, fork, "forked"], [fork, original, "rolled_back"]]) {
      world.aggregator.join = {
        head: countersignHead(VICTIM, await head(world, other), world.aggregator.identity),
        newest: 0,
      };
      const { error } = await world.start(VICTIM, undefined, {}, mine).ended;
      assert.deepEqual([error?.code, error?.details.reason], ["LedgerError", reason]);
    }
  }));

Deno.test("an honest aggregator stops a copy at its first step, not only when it joins", async () => {
  const dir = await Deno.makeTempDir();
  const book = await EnrollmentBook.open(dir);
  const at = (sequence: number, digit: string) => ({ sequence, hash: digit.repeat(64) });
  assert.deepEqual(await book.recordHead("a", at(3, "a")), at(3, "a"));
  assert.deepEqual(await book.recordHead("a", at(3, "a")), at(3, "a"), "a request that is sent again");
  assert.deepEqual(await book.recordHead("a", at(3, "b")), at(3, "a"), "another history of the same length");
  assert.deepEqual(await book.recordHead("a", at(2, "a")), at(3, "a"), "an older one");
  assert.deepEqual(await book.recordHead("a", at(4, "a")), at(4, "a"));
  await book.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a ledger from a back-up is refused by the countersigned head, and by the progress file where that is newer", () =>
  inWorld(async (world) => {
    const { aggregator } = world;
    const file = `${world.state(VICTIM)}/${SITE_FILES.ledger}`;
    await attack(world);
    const old = await Deno.readFile(file);
    const { round } = await attack(world);
    const newest = await head(world);
    await Deno.writeFile(file, old);
    aggregator.join = { head: countersignHead(VICTIM, newest, aggregator.identity), newest: 0 };
    const { error } = await world.start(VICTIM).ended;
    assert.deepEqual([error?.code, error?.details.reason], ["LedgerError", "rolled_back"]);
    aggregator.join = { head: countersignHead(SITES[1], newest, aggregator.identity), newest: 0 };
    assert.equal((await world.start(VICTIM).ended).error?.code, "AuthenticationError");

    // An aggregator that hides the head meets the progress file, which lies beside the ledger and not in its back-up.
    aggregator.join = { head: null, newest: 0 };
    const again = await attack(world, {
      round,
      model: world.model(new Float64Array(world.plan.dp.request.dimension)),
    });
    assert.deepEqual([again.ending.error?.details.reason, again.charges, again.sent], [
      "round_replayed",
      0,
      [],
    ]);
  }));

Deno.test("a site restored as a whole gives a lying aggregator no second sum: its peers refuse the step", () =>
  inWorld(async (world) => {
    const state = world.state(VICTIM);
    await copy(state, `${world.dir}/backup`);
    const workers = all(world);
    const adverts = new Map<string, AdvertiseKeysMessage>();
    const { round, survivors } = await attack(world, {
      workers,
      heard: (message, site) => {
        if (message.type === "advertise_keys") adverts.set(site, message);
        return message;
      },
    });
    assert.equal(survivors.length, 4);
    await dismiss(world, workers);
    await Deno.remove(state, { recursive: true });
    await copy(`${world.dir}/backup`, state);

    const restored = all(world);
    const model = world.model(new Float64Array(world.plan.dp.request.dimension));
    const second = await attack(world, { workers: restored, round, model });
    const endings = await dismiss(world, restored);
    assert.deepEqual(endings.map(({ error }) => error?.details.reason), [
      undefined,
      ...Array(3).fill("round_replayed"),
    ]);
    assert.equal(second.sum, undefined);
    assert.deepEqual(second.sent, ["advertise_keys"], "fresh public keys, and nothing else");

    // The peers' old adverts fit the old model, but nobody can open or make their envelopes any more.
    await Deno.remove(state, { recursive: true });
    await copy(`${world.dir}/backup`, state);
    const third = await attack(world, {
      round,
      tamper: (_message, { heard }) => {
        const own = heard(VICTIM).find(({ type }) => type === "advertise_keys") as AdvertiseKeysMessage;
        const shares = heard(VICTIM).find(({ type }) => type === "share_keys");
        if (shares?.type !== "share_keys") {
          const entries = SITES.map((site): RosterEntry =>
            site === VICTIM
              ? { kind: "leaf", leaf: advertLeaf(nativeProvider, own) }
              : { kind: "advert", advert: adverts.get(site)! }
          );
          return { type: "roster", configHash: own.configHash, entries };
        }
        const forged = [1, 2, 3].map((peer) => ({
          peer,
          commitment: new Uint8Array(32),
          ciphertext: new Uint8Array(80).fill(peer),
        }));
        return {
          type: "deliver_shares",
          sid: shares.sid,
          shared: IndexSet.of(4, [0, 1, 2, 3]),
          shares: forged,
        };
      },
    });
    assert.equal(third.ending.error?.details.reason, "bad_envelope");
    assert.deepEqual(third.sent, ["advertise_keys", "share_keys", "abort"]);
  }));

Deno.test("known limit: where nMin - c honest sites and the aggregator are restored together, a step is summed twice", () =>
  inWorld(async (world) => {
    for (const site of SITES) await copy(world.state(site), `${world.dir}/backup/${site}`);
    const first = await attack(world);
    await Deno.remove(world.state(VICTIM), { recursive: true });
    await copy(`${world.dir}/backup/${VICTIM}`, world.state(VICTIM));
    // The other sites are in the aggregator's hands here: a restored site is one that has forgotten the step.
    const second = await attack(world, { round: first.round });
    assert.ok(first.sum !== undefined && second.sum !== undefined);
    assert.deepEqual(await world.charged(VICTIM), [first.round], "the ledger knows of one of the two");
    const equal = first.sum.filter((word, i) => word === second.sum![i]).length;
    assert.ok(equal < first.sum.length / 10, "at least the noise is fresh: the two cannot be told apart");
  }));

Deno.test("a step is ordered for good: the same order again, to the same worker, is refused", () =>
  inWorld(async (world) => {
    const worker = world.start(VICTIM);
    let order: Uint8Array | undefined;
    const { round } = await attack(world, {
      workers: [worker],
      order: (config) => order = sealRoundOrder(config, world.aggregator.identity),
    });
    world.aggregator.post(VICTIM, "round", round, order!);
    const { error } = await worker.ended;
    assert.deepEqual([error?.code, error?.details.reason], ["UnexpectedMessage", "round_replayed"]);
    assert.deepEqual(await world.charged(VICTIM), [round]);
  }));
