import { clopperPearsonUpper } from "../../src/dp/mod.ts";
import type { BrokenRow, SoundRow } from "./_audits.ts";
import type { InversionRow } from "./_inversion.ts";
import type { MaliciousRow } from "./_malicious.ts";
import { type MembershipRow, STEPS } from "./_membership.ts";
import type { SamplerTiming } from "./_sampler_timing.ts";
import type { Separation } from "./_statistics.ts";

/** Everything that the bench measures. */
export interface AttackFigures {
  /** Membership inference. */
  readonly membership: readonly MembershipRow[];
  /** Gradient inversion. */
  readonly inversion: readonly InversionRow[];
  /** Images rebuilt from true tokens. */
  readonly stem: { readonly error: number; readonly correlation: number };
  /** Malicious sites. */
  readonly malicious: readonly MaliciousRow[];
  /** Repeated audits. */
  readonly audits: { readonly sound: readonly SoundRow[]; readonly broken: readonly BrokenRow[] };
  /** The sampler's time. */
  readonly timing: SamplerTiming;
  /** CPU seconds of the whole, roughly: wall-clock of one thread. */
  readonly seconds: number;
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
const cell = (epsilon: number | undefined): string => epsilon === undefined ? "off" : `${epsilon}`;
const rate = ({ tpr, interval: [low, high] }: Separation): string =>
  `${percent(tpr)} (${percent(low)} to ${percent(high)})`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The page `bench/results/attacks.md`. */
export function attacksPage(figures: AttackFigures): string {
  const { membership, inversion, stem, malicious, audits, timing, seconds } = figures;
  const [{ gradient: { members, others } }] = membership;
  const [soundRow] = audits.sound;
  const all = audits.sound.length * soundRow.audits;
  return `# Attacks, measured

Written by \`deno task bench attacks\` in ${Math.round(seconds)} s. What the attacks are and what follows from
them is said in [docs/attacks.md](../../docs/attacks.md).

## Membership inference

Chest X-rays of four hospitals (472 patients), the product's default model, a random half of the patients
trained on for ${STEPS} steps at Poisson rate 0.2; ${members} members and ${others} others over all runs. "DP off" is
without clip and without noise. "The best there is" knows everybody else and has a target whose gradient is at the
clip bound in every step: 400,000 runs on either side. TPR is at 0.1 % FPR, with its 95 % interval. The bounds are the accountant's for
that view.

${
    table(
      ["secure aggregation", "DP epsilon", "attack", "AUC", "TPR", "AUC at most", "TPR at most"],
      membership.flatMap(({ view, epsilon, gradient, informed, worst, loss, bound }) => {
        const first = [view === "site" ? "off" : "on", cell(epsilon)];
        const last = bound === undefined ? ["1", "100 %"] : [bound.auc.toFixed(3), percent(bound.tpr)];
        const row = (name: string, found: Separation): string[] => [
          ...first,
          name,
          found.auc.toFixed(3),
          rate(found),
          ...last,
        ];
        return [
          row("gradient score, knows the record", gradient),
          informed === undefined
            ? [...first, "gradient score, knows everybody else", "1", "100 %", "1", "100 %"]
            : row("gradient score, knows everybody else", informed),
          ...(worst === undefined ? [] : [row("the best there is, simulated", worst)]),
          ...(view === "site" ? [] : [["either", ...row("loss of the trained model", loss).slice(1)]]),
        ];
      }),
    )
  }

## Gradient inversion

The first federated layer's gradient gives its inputs by division; images are rebuilt by the pseudo-inverse of the
frozen stem. Error is the squared error over that of the public mean image (0 exact, 1 the mean image), correlation is
that with the image less the mean image, for the best pair of a guess and a patient: an attacker does not know which
pair that is. Chance is
that with as many patients who are not in the step. From the true tokens themselves the error is
${stem.error.toFixed(2)} and the correlation ${stem.correlation.toFixed(2)}: what the frozen stem keeps.

${
    table(
      ["the server sees", "DP epsilon", "patients in the step", "error", "correlation", "chance"],
      inversion.map((row) => [
        row.seen,
        cell(row.epsilon),
        row.patients.toFixed(0),
        row.error.toFixed(2),
        row.correlation.toFixed(2),
        row.chance.toFixed(2),
      ]),
    )
  }

## Malicious sites

One malicious site of 4 or of 10, epsilon 8, 60 steps, chest X-rays, mean of the seeds. Backdoor: share of
pneumonia images of the test part that fall below the clean threshold once they carry the trigger. Length is that of
the decoded sum in clip bounds. Refused: steps that \`sumCheck\` refuses at the plan's own bound, and with
\`units = 150\`; refused steps are applied here all the same, to show what they would do.

${
    table(
      [
        "sites",
        "the malicious site",
        "AUROC",
        "backdoor",
        "length",
        "bounds",
        "refused",
        "refused, units = 150",
      ],
      malicious.map((row) => [
        `${row.sites}`,
        row.attack,
        row.auroc.toFixed(3),
        percent(row.backdoor),
        row.length.toFixed(0),
        row.bounds.map((bound) => bound.toFixed(0)).join(", "),
        percent(row.refused),
        percent(row.refusedTight),
      ]),
    )
  }

## Audits

13,000 canaries an audit, p < 0.001 refutes. Sound settings: ${all} audits, ${
    audits.sound.reduce((sum, row) => sum + row.refuted, 0)
  } refuted; family-wise chance of one below ${(all * 0.001).toFixed(3)}.

${
    table(
      ["sound setting", "audits", "refuted", "smallest p", "epsilon at least (mean)", "epsilon claimed"],
      audits.sound.map((row) => [
        row.name,
        `${row.audits}`,
        `${row.refuted}`,
        row.least.toPrecision(2),
        row.lower.toFixed(2),
        row.upper.toFixed(2),
      ]),
    )
  }

${
    table(
      ["broken build", "audits", "refuted", "power at least (95 %)"],
      audits.broken.map((row) => [
        row.name,
        `${row.audits}`,
        `${row.refuted}`,
        (1 - clopperPearsonUpper(row.audits - row.refuted, row.audits, 0.05)).toFixed(3),
      ]),
    )
  }

## Time of the noise sampler

${
    table(["what", "of what", "correlation"], [
      ["nanoseconds of one draw", "its size", timing.timeBySize.toFixed(4)],
      ["random words of one draw", "its size", timing.wordsBySize.toFixed(4)],
      [`nanoseconds of ${timing.dimension} draws`, "their mean size", timing.batchTimeBySize.toFixed(4)],
      [`random words of ${timing.dimension} draws`, "their mean size", timing.batchWordsBySize.toFixed(4)],
      [
        `random words of ${timing.dimension} draws`,
        "their sum along a fixed direction",
        timing.batchWordsAlong.toFixed(4),
      ],
    ])
  }

${timing.draws} single draws, ${timing.batches} vectors; the standard error of a correlation of nothing over the
vectors is ${timing.standardError.toFixed(3)}.
`;
}
