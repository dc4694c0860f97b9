import { equalBytes } from "./_bytes.ts";
import type { ClientContext, ClientFrozen } from "./client_state.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { enrolledHash } from "./identity.ts";
import type { IndexSet } from "./index_set.ts";
import type { RoundConfig } from "./round_config.ts";
import { aliveNeighbours, neededNeighbours, type Session } from "./session.ts";

/** The configuration must pin the very roster of enrolled sites that we pin, with us on it. */
export function checkContext({ config, identity, enrolled, provider }: ClientContext): void {
  if (!equalBytes(enrolledHash(enrolled, provider), config.enrolledHash)) {
    throw protocolAbort(
      "enrolled_changed",
      "The round names other enrolled sites than the ones pinned here.",
      {
        needed: "the same client ids and public keys on both sides",
        remedy: "compare the enrolled keys with the coordinator over another channel",
      },
    );
  }
  const own = enrolled.get(identity.id);
  if (own === undefined || !equalBytes(own, identity.publicKey)) {
    throw protocolAbort("not_enrolled", "This site is not enrolled with the key it signs with.", {
      found: identity.id,
      remedy: "enroll the site, or use its enrolled identity",
    });
  }
}

/** Every message after the roster names the session that we computed ourselves. */
export function checkSession(session: Session, sid: Uint8Array): void {
  if (!equalBytes(session.sid, sid)) {
    throw protocolAbort("wrong_session", "A message belongs to another session.", {
      needed: "the session id computed from the configuration and the roster",
    });
  }
}

/** A set of sites: of the roster's size, with us inside, large enough overall and around us. */
export function checkAlive(session: Session, config: RoundConfig, index: number, set: IndexSet): void {
  if (set.capacity !== session.n) {
    throw protocolAbort("malformed_message", "A set of sites does not fit the roster.", {
      found: `${set.capacity} sites`,
      needed: `${session.n}`,
    });
  }
  if (!set.has(index)) {
    throw protocolAbort("self_declared_dead", "The server declares this site dead, but it is alive.");
  }
  if (set.size < config.nMin) {
    throw belowThreshold("too_few_survivors", "sites are left in the round", set.size, config.nMin);
  }
  const around = aliveNeighbours(session, index, set);
  const needed = neededNeighbours(session, config);
  if (around < needed) {
    throw belowThreshold("too_few_neighbours", "neighbours are left in the round", around, needed);
  }
}

/** U2 as announced: legal by itself, and nobody in it who did not share keys. */
export function checkSurvivors(state: ClientFrozen, survivors: IndexSet): void {
  checkAlive(state.session, state.context.config, state.index, survivors);
  if (!survivors.isSubsetOf(state.shared)) {
    throw protocolAbort("revived_peer", "A site that had dropped out is declared alive again.");
  }
}
