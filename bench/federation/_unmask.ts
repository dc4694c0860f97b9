import { speak, type Speaker } from "./_processes.ts";

/** What a replica of the unmasking bench is told. */
export interface UnmaskTask {
  /** Address of the shared database. */
  readonly place: string;
  /** True for the replica that has the sum to unmask. */
  readonly lead: boolean;
  /** Coordinates. */
  readonly dimension: number;
  /** Masks in the sum. */
  readonly masks: number;
}

/** Unmasking by one replica, and by two. */
export interface MeasuredUnmasking {
  /** Best wall-clock seconds of one replica, through the same store. */
  readonly one: number;
  /** Best wall-clock seconds of two. */
  readonly two: number;
  /** True if both gave the same sum. */
  readonly same: boolean;
}

const TURNS = 3;

/** Measures unmasking by one and by two processes on one database, in turns. */
export async function measureUnmasking(task: Omit<UnmaskTask, "lead">): Promise<MeasuredUnmasking> {
  const started: Speaker[] = [];
  const start = async (lead: boolean): Promise<Speaker> => {
    const replica = speak("_unmask_process.ts", [JSON.stringify({ ...task, lead })]);
    started.push(replica);
    await replica.hear("ready");
    return replica;
  };
  try {
    const leader = await start(true);
    const sum = async () => {
      await leader.tell("sum");
      return await leader.hear<{ seconds: number; hash: string }>("sum");
    };
    const best = { one: Infinity, two: Infinity };
    const hashes = new Set<string>();
    for (let turn = 0; turn < TURNS; turn++) {
      const alone = await sum();
      const helper = await start(false);
      const together = await sum();
      await helper.tell("stop");
      await helper.kill();
      best.one = Math.min(best.one, alone.seconds);
      best.two = Math.min(best.two, together.seconds);
      hashes.add(alone.hash).add(together.hash);
    }
    return { ...best, same: hashes.size === 1 };
  } finally {
    for (const process of started) await process.kill();
  }
}
