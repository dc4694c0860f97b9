import { Mailbox } from "../../src/federation/mailbox.ts";
import { RoundLog } from "../../src/federation/round_log.ts";
import { RoundSession } from "../../src/federation/round_session.ts";
import type { Store } from "../../src/federation/store/mod.ts";
import {
  enrolledHash,
  generateIdentity,
  type Identity,
  makeRoundConfig,
  SecAggClient,
} from "../../src/secure_agg/mod.ts";

/** Longest wait for a phase, milliseconds: no test comes near it. */
export const DEADLINE = 60_000;

/** What {@link threeSites} makes. */
export interface ThreeSites {
  readonly identities: readonly Identity[];
  readonly clients: readonly SecAggClient[];
  /** Fresh mailboxes. */
  readonly mailboxes: () => Map<string, Mailbox>;
  /** Opens the step, or carries it on. */
  readonly open: (boxes: ReadonlyMap<string, Mailbox>, store: Store) => Promise<RoundSession>;
}

/** Three sites, who add vectors of ones, twos and threes, and their step over a store of the test's. */
export function threeSites(dimension: number, chunkCoordinates: number = dimension): ThreeSites {
  const identities = ["a", "b", "c"].map((name) => generateIdentity(name));
  const enrolled = new Map(identities.map((identity) => [identity.id, identity.publicKey]));
  const config = makeRoundConfig({
    taskId: "test",
    roundId: 1,
    nMax: 3,
    enrolledHash: enrolledHash(enrolled),
    modelHash: new Uint8Array(32),
    planHash: new Uint8Array(32),
    dimension,
    chunkCoordinates,
    coordinateBound: 1000,
  });
  const clients = identities.map((identity, i) =>
    new SecAggClient({ config, identity, enrolled, input: () => new Uint32Array(dimension).fill(i + 1) })
  );
  const mailboxes = () => new Map(identities.map(({ id }) => [id, new Mailbox()]));
  const open: ThreeSites["open"] = (boxes, store) =>
    RoundSession.open({
      config,
      enrolled,
      order: new Uint8Array([7]),
      mailboxes: boxes,
      present: new Set(boxes.keys()),
      phaseDeadlineMs: DEADLINE,
      uploadPlaces: 8,
      log: new RoundLog(store, "round", undefined),
    });
  return { identities, clients, mailboxes, open };
}
