import { messageType } from "../secure_agg/mod.ts";
import type { AggregatorClient } from "./aggregator_client.ts";
import type { Letter } from "./mailbox.ts";

/** Messages that the same step's next letter follows: their answer may bring it. */
const BEFORE_LETTERS: ReadonlySet<string | undefined> = new Set([
  "advertise_keys",
  "share_keys",
  "commit_vector",
  "sign_survivors",
]);

/**
 * Sends a site's messages of a step, all those that answer one letter.
 * @param connection where to
 * @param path of the step's messages, with its query
 * @param messages as `SecAggClient` makes them
 * @param after number of the letter that they answer
 * @returns the letter that came with the last answer; undefined where it is still to be asked for
 */
export async function sendStepMessages(
  connection: AggregatorClient,
  path: string,
  messages: Iterable<Uint8Array>,
  after: number,
): Promise<Letter | undefined> {
  let letter: Letter | undefined;
  for (const message of messages) {
    if (BEFORE_LETTERS.has(messageType(message))) {
      letter = await connection.postForLetter(path, message, after);
    } else await connection.postBytes(path, message);
  }
  return letter;
}
