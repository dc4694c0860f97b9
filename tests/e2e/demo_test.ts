import assert from "node:assert/strict";
import { fedkim } from "../_fedkim.ts";
import { readLedger } from "../../src/dp/mod.ts";

Deno.test("the demo runs from synthetic data to a report, and its folder serves the other verbs", async (t) => {
  const out = await Deno.makeTempDir();
  const run = `${out}/run`;
  await t.step("demo --json prints run, privacy and tasks", async () => {
    const { code, stdout, stderr } = await fedkim(
      "demo",
      "--steps",
      "3",
      "--epochs",
      "1",
      "--out",
      run,
      "--json",
    );
    assert.equal(code, 0, stderr);
    const result = JSON.parse(stdout);
    assert.equal(result.run, run);
    assert.deepEqual(result.privacy.map((row: { set: string }) => row.set), ["cxr", "ecg", "icu", "vqa"]);
    for (const row of result.privacy) {
      assert.ok(row.epsilon > 1 && row.epsilon <= 8, `epsilon ${row.epsilon}`);
      assert.equal(row.delta, 1e-5);
      assert.ok(row.tasks.length > 0 && row.unit.length > 0 && /coalition/.test(row.view));
    }
    const roles = Object.values<{ role: string }>(result.tasks).map((task) => task.role);
    assert.equal(roles.filter((role) => role === "train").length, 6);
    assert.equal(roles.filter((role) => role === "unseen").length, 6);
    assert.match(stderr, /Private aggregation steps .* 3\/3/);
    assert.match(stderr, /synthetic/);
  });
  await t.step("every site's ledger is a verified chain with one charge per step", async () => {
    for (const site of ["site-midwest", "site-south", "site-west", "site-northeast"]) {
      const status = await readLedger(`${run}/sites/${site}/ledger.jsonl`);
      assert.deepEqual(status.populations.map((population) => population.rounds), [3, 3, 3, 3]);
      assert.equal(status.tornLines, 0);
    }
  });
  await t.step("metrics hold steps and public validation, and nothing of a single site", async () => {
    const lines = (await Deno.readTextFile(`${run}/metrics.jsonl`)).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assert.equal(lines.filter((line) => line.kind === "step").length, 3);
    assert.ok(lines.some((line) => line.kind === "validation" && line.split === "public validation"));
    assert.doesNotMatch(JSON.stringify(lines), /site-/);
  });
  await t.step("the page is self-contained and shows the budget", async () => {
    const html = await Deno.readTextFile(`${run}/report.html`);
    assert.match(html, /site-midwest/);
    assert.match(html, /<svg/);
    assert.doesNotMatch(html, /(src|href)="https?:/);
  });
  await t.step("privacy-report reads the run and a single ledger", async () => {
    const report = await fedkim("privacy-report", run, "--json");
    assert.equal(JSON.parse(report.stdout).sites.length, 4);
    const single = await fedkim("privacy-report", `${run}/sites/site-west/ledger.jsonl`, "--forecast");
    assert.equal(single.code, 0, single.stderr);
    assert.match(single.stdout, /site-west/);
  });
  await t.step("evaluate gives the demo's own figures again", async () => {
    const evaluated = await fedkim(
      "evaluate",
      "--run",
      run,
      "--data",
      `${run}/data/test`,
      "--task",
      "icu_shock",
      "--json",
    );
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const { icu_shock } = JSON.parse(evaluated.stdout).tasks;
    const first = JSON.parse(await Deno.readTextFile(`${run}/evaluation.json`)).tasks.icu_shock;
    assert.ok(Math.abs(icu_shock.auroc - first.auroc) < 1e-6, `${icu_shock.auroc} and ${first.auroc}`);
    const unknown = await fedkim("evaluate", "--run", run, "--data", `${run}/data/test`, "--task", "nothing");
    assert.equal(unknown.code, 5);
  });
  await t.step(
    "predict gives every record a calibrated probability and a model card beside them",
    async () => {
      const file = `${out}/shock.csv`;
      const ask = ["predict", "--run", run, "--data", `${run}/data/test`];
      const written = await fedkim(...ask, "--task", "icu_shock", "--out", file);
      assert.equal(written.code, 0, written.stderr);
      const [head, ...rows] = (await Deno.readTextFile(file)).trim().split("\r\n").map((row) =>
        row.split(",")
      );
      assert.deepEqual(head, ["id", "score", "probability", "answer"]);
      const { n, threshold, calibrationError } =
        JSON.parse(await Deno.readTextFile(`${run}/evaluation.json`)).tasks.icu_shock;
      assert.ok(rows.length >= n);
      for (const [, score, , answer] of rows) {
        // Scores are printed with six digits.
        if (Math.abs(Number(score) - threshold) > 1e-6) {
          assert.equal(answer, Number(score) > threshold ? "yes" : "no");
        }
      }
      const byScore = [...rows].sort((a, b) => Number(a[1]) - Number(b[1]));
      // After three noisy steps a task can end without a calibration: then no probability is made up.
      if (calibrationError === null) assert.ok(rows.every(([, , probability]) => probability === ""));
      else {
        byScore.reduce((before, after) => {
          const [low, high] = [Number(before[2]), Number(after[2])];
          assert.ok(before[2] !== "" && low >= 0 && high <= 1 && high - low >= -1e-6, `${before} ${after}`);
          return after;
        });
      }
      const card = await Deno.readTextFile(`${out}/shock.model-card.md`);
      assert.match(card, /Not a medical device/);
      assert.match(card, /\| icu \| patient \| \d/);
      const unseen = JSON.parse((await fedkim(...ask, "--task", "icu_long_stay", "--json")).stdout);
      assert.ok(
        unseen.predictions.every(({ probability }: { probability: unknown }) => probability === null),
      );
      assert.equal((await fedkim(...ask, "--task", "nothing")).code, 5);
      assert.equal((await fedkim(...ask, "--task", "icu_shock", "--out", `${out}/x.txt`)).code, 2);
    },
  );
  await Deno.remove(out, { recursive: true });
});
