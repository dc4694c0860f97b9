import type { LiveStep } from "./site_desk.ts";

/** What the observer needs of the aggregator's desk. */
export interface ObservedDesk {
  /** Stage of the federation. */
  readonly stage: string;
  /** The step in progress. */
  liveStep(): LiveStep | undefined;
  /** Calls back after every change. */
  subscribe(listener: () => void): () => void;
}

/** A stretch of time with a name: a stage of the federation, a step, or a phase of a step. */
export interface Stretch {
  /** What it is. */
  readonly kind: "stage" | "step" | "phase";
  /** Name of the stage or phase; the step's number. */
  readonly name: string;
}

/** Called as a stretch begins; what it returns is called as it ends. */
export type OnStretch = (stretch: Stretch) => () => void;

/**
 * Watches a desk and reports its stages, steps and phases, each ended before its successor begins and inner ones before
 * outer ones. A phase's end is noticed at the next call of a site, which comes at once: sites long-poll.
 * @returns stops watching and ends what is open
 */
export function watchSteps(desk: ObservedDesk, onStretch: OnStretch): () => void {
  const open: { readonly stretch: Stretch; readonly end: () => void }[] = [];
  const follow = (wanted: readonly Stretch[]) => {
    let same = 0;
    while (same < open.length && same < wanted.length && equal(open[same].stretch, wanted[same])) same++;
    while (open.length > same) open.pop()!.end();
    for (const stretch of wanted.slice(same)) open.push({ stretch, end: onStretch(stretch) });
  };
  const look = () => follow(stretchesOf(desk));
  const stop = desk.subscribe(look);
  look();
  return () => {
    stop();
    follow([]);
  };
}

function stretchesOf(desk: ObservedDesk): Stretch[] {
  const step = desk.liveStep();
  const stage: Stretch = { kind: "stage", name: desk.stage };
  if (step === undefined) return [stage];
  return [stage, { kind: "step", name: String(step.round) }, { kind: "phase", name: step.phase }];
}

function equal(a: Stretch, b: Stretch): boolean {
  return a.kind === b.kind && a.name === b.name;
}
