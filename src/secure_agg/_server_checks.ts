import { equalBytes } from "./_bytes.ts";
import { protocolAbort } from "./errors.ts";
import type { IndexSet } from "./index_set.ts";
import type { ServerRoster } from "./server_state.ts";

/**
 * The roster index of the sender of a message, which must name this session and the sender's own index.
 * @param members the sites that may speak in this phase; all of the roster by default
 */
export function checkSender(
  state: ServerRoster,
  from: string,
  message: { readonly sid: Uint8Array; readonly index: number },
  members?: IndexSet,
): number {
  if (!equalBytes(message.sid, state.session.sid)) {
    throw protocolAbort("wrong_session", "A message belongs to another session.", { blamed: [from] });
  }
  const index = state.indexOf.get(from);
  if (index === undefined || index !== message.index || (members !== undefined && !members.has(index))) {
    throw protocolAbort("wrong_index", "A message comes from a site that has no part in this phase.", {
      found: `${from} as number ${message.index}`,
      blamed: [from],
    });
  }
  return index;
}

/** The item of one peer in a list that ascends by peer, by bisection. */
export function findPeer<T extends { readonly peer: number }>(
  items: readonly T[],
  peer: number,
): T | undefined {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (items[middle].peer < peer) low = middle + 1;
    else high = middle;
  }
  return items[low]?.peer === peer ? items[low] : undefined;
}
