import assert from "node:assert/strict";
import { generateSet, SITE_PROFILES } from "../../src/local/synthesize/mod.ts";
import { ecgWindow, type Loose, records, rPeaks } from "./_features.ts";

const [MIDWEST] = SITE_PROFILES;
const stays = records(generateSet("icu", 3, MIDWEST, 250)) as (Loose & {
  vitals: (number | null)[][];
  labs: (number | null)[];
  inputs: (number | null)[];
  outputs: (number | null)[];
  labels: Record<string, number | null>;
  age: number;
})[];

const numbers = (values: (number | null)[]): number[] => values.filter((value) => value !== null);
const average = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

Deno.test("vital signs stay inside physiological ranges and are missing about as often as asked", () => {
  const ranges: [number, number, number, number][] = [
    // low, high, share of missing hours from, to
    [30, 200, 0.05, 0.2],
    [50, 240, 0.1, 0.3],
    [20, 140, 0.1, 0.3],
    [35, 150, 0.1, 0.3],
    [6, 55, 0.15, 0.35],
    [33, 41.5, 0.6, 0.85],
    [60, 100, 0.1, 0.3],
  ];
  ranges.forEach(([low, high, from, to], channel) => {
    const hours = stays.flatMap(({ vitals }) => vitals.map((hour) => hour[channel]));
    const seen = numbers(hours);
    assert.ok(seen.every((value) => value >= low && value <= high), `channel ${channel}`);
    const missing = 1 - seen.length / hours.length;
    assert.ok(missing > from && missing < to, `channel ${channel}: ${missing} missing`);
  });
});

Deno.test("diastolic is below mean and mean below systolic pressure, and they are measured together", () => {
  for (const { vitals } of stays) {
    for (const [, systolic, diastolic, mean] of vitals) {
      assert.equal(systolic === null, mean === null);
      assert.equal(diastolic === null, mean === null);
      if (systolic === null || diastolic === null || mean === null) continue;
      assert.ok(diastolic <= mean && mean <= systolic, `${diastolic} ${mean} ${systolic}`);
    }
  }
});

Deno.test("hourly vital signs follow one another: the lag-1 correlation of heart rate is that of AR(1)", () => {
  const pairs = stays.flatMap(({ vitals }) => {
    const course = vitals.map(([heart]) => heart);
    const centre = average(numbers(course));
    return course.slice(1).flatMap((now, i) => {
      const before = course[i];
      return now === null || before === null ? [] : [[before - centre, now - centre]];
    });
  });
  const correlation = average(pairs.map(([a, b]) => a * b)) / average(pairs.map(([a]) => a * a));
  // 0.8 less the bias of 24-hour courses around their own mean.
  assert.ok(correlation > 0.55 && correlation < 0.85, `${correlation}`);
});

Deno.test("labs, fluids and sedatives point the published way", () => {
  const split = (label: string, value: (stay: typeof stays[number]) => number | null) => {
    const of = (wanted: number) =>
      average(numbers(stays.filter(({ labels }) => labels[label] === wanted).map(value)));
    return of(1) - of(0);
  };
  const { labs, inputs, outputs } = channelIndex();
  assert.ok(split("shock", (stay) => stay.labs[labs("lact_first")]) > 0.3, "shock raises lactate");
  assert.ok(
    split("shock", (stay) => average(numbers(stay.vitals.map((hour) => hour[3])))) < -5,
    "and lowers MAP",
  );
  assert.ok(
    split("shock", (stay) => stay.inputs[inputs("infusion_norepi")]) > 0.1,
    "and brings noradrenaline",
  );
  assert.ok(
    split("respiratory_failure", (stay) => average(numbers(stay.vitals.map((hour) => hour[6])))) < -0.8,
  );
  assert.ok(split("kidney_injury_after_24h", (stay) => stay.labs[labs("crea_last")]) > 0.3, "creatinine");
  assert.ok(
    split("kidney_injury_after_24h", (stay) => stay.outputs[outputs("urine_ml_0_6h")]) < -80,
    "urine",
  );
  assert.ok(split("ventilated_day1", (stay) => stay.inputs[inputs("infusion_propofol")]) > 0.2, "propofol");
  assert.ok(split("mortality", (stay) => stay.age) > 0, "age");
});

/** Positions of columns by name, written out here once more so that a shuffled column is noticed. */
function channelIndex(): Record<"labs" | "inputs" | "outputs", (name: string) => number> {
  const labs =
    "alb alp alt ast be bicar bili bili_dir bnd bun ca cai ck ckmb cl crea crp fgn glu hgb inr_pt k lact"
      .split(" ").flatMap((name) => [`${name}_first`, `${name}_last`]);
  const quarters = ["0_6h", "6_12h", "12_18h", "18_24h"];
  const inputs = [...quarters, "infusion_norepi", "", "", "", "", "", "infusion_propofol"];
  const outputs = ["", "", "", "", ...quarters.map((quarter) => `urine_ml_${quarter}`)];
  const indexOf = (names: string[]) => (name: string) => {
    assert.ok(names.includes(name), name);
    return names.indexOf(name);
  };
  return { labs: indexOf(labs), inputs: indexOf(inputs), outputs: indexOf(outputs) };
}

Deno.test("urine is part of the output and never more", () => {
  for (const { outputs } of stays) {
    for (let quarter = 0; quarter < 4; quarter++) {
      const [all, urine] = [outputs[quarter], outputs[quarter + 4]];
      if (all !== null && urine !== null) assert.ok(urine <= all);
    }
  }
});

Deno.test("patients have one to four stays with one age and one hospital", () => {
  const byPatient = Map.groupBy(stays, ({ patient }) => patient as string);
  assert.equal(byPatient.size, 250);
  const counts = [...byPatient.values()].map((own) => own.length);
  assert.ok(Math.max(...counts) <= 4 && counts.some((count) => count > 1));
  for (const own of byPatient.values()) {
    assert.equal(new Set(own.map(({ age }) => age)).size, 1);
    assert.equal(new Set(own.map(({ hospital }) => hospital)).size, 1);
  }
});

Deno.test("windows without ectopy or fibrillation beat regularly at 50 to 115 a minute", () => {
  const set = generateSet("ecg", 3, MIDWEST, 8);
  const regular = records(set).filter(({ labels }) =>
    (labels as Loose).pvc === 0 && (labels as Loose).atrial_fibrillation === 0
  );
  assert.ok(regular.length > 20);
  for (const record of regular) {
    const at = rPeaks(ecgWindow(set, record.ecg as number));
    const intervals = at.slice(1).map((peak, i) => (peak - at[i]) / 100);
    const mean = average(intervals);
    assert.ok(60 / mean > 50 && 60 / mean < 115, `${record.id}: ${60 / mean} a minute`);
    assert.ok(intervals.every((rr) => Math.abs(rr - mean) < 0.2 * mean), `${record.id} is regular`);
  }
});
