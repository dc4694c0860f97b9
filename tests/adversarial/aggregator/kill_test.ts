import assert from "node:assert/strict";
import { ERROR_EXIT_STATUS } from "../../../src/formats/errors.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { type ClientMessage, decodeMessage } from "../../../src/secure_agg/mod.ts";
import { root } from "../../_fedkim.ts";
import type { Inbound } from "./_lying_aggregator.ts";
import { attack } from "./_step.ts";
import { inWorld, VICTIM, type Worker, type World } from "./_world.ts";

/** The site is killed when the aggregator has its first message of this type, before it is answered. */
const KILLS: readonly ClientMessage["type"][] = [
  "advertise_keys",
  "masked_chunk",
  "sign_survivors",
  "unmask",
];

/** A site in a process of its own, as a worker that the harness can wait for. */
class Process implements Worker {
  readonly site = VICTIM;
  readonly events: Worker["events"] = [];
  readonly ended: Worker["ended"];
  over = false;
  readonly code: Promise<number>;
  readonly #child: Deno.ChildProcess;

  constructor(world: World) {
    world.aggregator.forget(VICTIM);
    world.aggregator.post(VICTIM, "plan", 0, world.sealed());
    // Whether it has accepted the plan the harness learns from its answer: a process gives no events.
    this.events.push({ kind: "accepted", planHash: "", steps: 0, federated: {} });
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "tests/adversarial/aggregator/_site_process.ts",
        `${world.dir}/client.json`,
        `${world.dir}/notebook`,
      ],
      cwd: root,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      env: { DENO_NO_UPDATE_CHECK: "1" },
    }).spawn();
    this.code = this.#child.status.then(({ code }) => code);
    this.ended = this.code.then(() => {
      this.over = true;
      world.aggregator.touch();
      return { error: undefined, events: this.events };
    });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

const typeOf = ({ path, body }: Inbound) => path.endsWith("/messages") ? decodeMessage(body).type : undefined;

/** Share of words, read as signed, below a quarter of the ring's half: one in four where they are uniform. */
function smallShare(words: Uint32Array): number {
  return words.filter((word) => Math.abs(word | 0) < 2 ** 29).length / words.length;
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

const minus = (a: Uint32Array, b: Uint32Array) => a.map((word, i) => word - b[i]);

function stddev(words: Uint32Array): number {
  return Math.sqrt(words.reduce((sum, word) => sum + (word | 0) ** 2, 0) / words.length);
}

Deno.test("a site killed in any phase reuses no key, mask or noise, and begins no step twice", () =>
  inWorld(async (world) => {
    const { aggregator } = world;
    await Deno.mkdir(`${world.dir}/notebook`);
    const config = {
      data: `${world.data}/${VICTIM}`,
      state: world.state(VICTIM),
      backend: "cpu",
      reconnectSeconds: 5,
    };
    await Deno.writeTextFile(`${world.dir}/client.json`, JSON.stringify(config));
    for (const at of KILLS) {
      const process = new Process(world);
      aggregator.answer = (request) => {
        if (typeOf(request) !== at) return undefined;
        process.kill();
        return process.ended.then(() => new Response(null, { status: 503 }));
      };
      await attack(world, { workers: [process] });
      aggregator.answer = () => undefined;
      assert.notEqual(await process.code, 0, at);
      assert.deepEqual(await world.charged(VICTIM), Array.from({ length: world.round }, (_, i) => i + 1), at);
    }
    // The step that was cut off is ordered again, of the site as it is after the last of its deaths.
    const replayed = new Process(world);
    await attack(world, { workers: [replayed], round: world.round });
    assert.equal(await replayed.code, ERROR_EXIT_STATUS.UnexpectedMessage);
    // A whole step, to compare with.
    const whole = new Process(world);
    const { survivors } = await attack(world, { workers: [whole] });
    assert.equal(survivors.length, 4);
    aggregator.post(VICTIM, "done", 0, new Uint8Array());
    assert.equal(await whole.code, 0);

    const keys = new Set<string>();
    const vectors = new Map<number, Uint8Array>();
    const said = new Map<string, string>();
    let adverts = 0;
    for (const request of aggregator.seen) {
      const type = typeOf(request);
      if (type === undefined) continue;
      const message = decodeMessage(request.body);
      const round = Number(request.path.split("/")[3]);
      if (message.type === "advertise_keys") {
        adverts++;
        keys.add(toHex(message.encryptionKey)).add(toHex(message.maskKey));
      }
      const chunk = message.type === "masked_chunk" ? message.chunk : "";
      const place = `${round} ${type} ${chunk}`;
      assert.equal(said.get(place) ?? toHex(request.body), toHex(request.body), `another ${place}`);
      said.set(place, toHex(request.body));
      if (message.type === "masked_chunk" && message.chunk === 0) vectors.set(round, message.payload);
    }
    assert.equal(adverts, KILLS.length + 1);
    assert.equal(keys.size, 2 * adverts, "fresh keys in every session");

    // A mask used twice would leave the difference of two plain vectors, which is small.
    const masked = [...vectors.values()].map(wordsOf);
    assert.equal(masked.length, KILLS.length);
    const plain: Uint32Array[] = [];
    for await (const { name } of Deno.readDir(`${world.dir}/notebook`)) {
      plain.push(wordsOf(await Deno.readFile(`${world.dir}/notebook/${name}`)));
    }
    assert.equal(plain.length, KILLS.length);
    const { shareStddev } = world.plan.dp.noise;
    for (const [i, a] of masked.entries()) {
      for (const [j, b] of masked.slice(0, i).entries()) {
        // 64 words, one in four small: 0.25 +- 0.054; beyond 0.7 once in 1e16.
        assert.ok(smallShare(minus(a, b)) < 0.7, "the mask of another step");
        assert.equal(smallShare(minus(plain[i], plain[j])), 1);
        assert.ok(stddev(minus(plain[i], plain[j])) > shareStddev, "the noise of another step");
      }
    }
  }));
