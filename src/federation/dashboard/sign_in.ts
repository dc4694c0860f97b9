import { sha256Hex } from "../../formats/canonical_json.ts";
import { toHex } from "../../formats/hex.ts";
import type { Store } from "../store/mod.ts";

/** How long a link may be opened, milliseconds. */
export const TICKET_MS = 5 * 60 * 1000;
/** How long a browser stays signed in, milliseconds. */
export const SESSION_MS = 12 * 3600 * 1000;

interface Pass {
  readonly member: string;
  readonly expiresAt: number;
}

/**
 * Signs members in without passwords: a request signed with the member's key gets a one-time ticket, the ticket opens a
 * session in a browser. Only hashes of tickets and sessions are stored, so that a copy of the store opens nothing.
 */
export class SignIn {
  /** @param store where open tickets and sessions are kept, for every replica */
  constructor(private readonly store: Store) {}

  /** A one-time ticket for an authenticated member. */
  async ticket(member: string, now: number = Date.now()): Promise<string> {
    return await this.#issue("ticket", member, now + TICKET_MS);
  }

  /** Uses a ticket up. @returns the secret of a new session, or undefined for a ticket that is unknown, used or too old */
  async open(ticket: string, now: number = Date.now()): Promise<string | undefined> {
    const pass = await this.#read("ticket", ticket, now);
    if (pass === undefined) return undefined;
    // Two browsers with one link: the first one is let in.
    if (!(await this.store.once("ticket", sha256Hex(ticket), 2 * TICKET_MS))) return undefined;
    await this.store.delete("ticket", sha256Hex(ticket));
    return await this.#issue("session", pass.member, now + SESSION_MS);
  }

  /** The member of a session, undefined where it is unknown or too old. */
  async member(session: string, now: number = Date.now()): Promise<string | undefined> {
    return (await this.#read("session", session, now))?.member;
  }

  /** Ends a session. */
  async close(session: string): Promise<void> {
    await this.store.delete("session", sha256Hex(session));
  }

  async #issue(space: string, member: string, expiresAt: number): Promise<string> {
    const secret = toHex(crypto.getRandomValues(new Uint8Array(32)));
    const pass: Pass = { member, expiresAt };
    await this.store.put(space, sha256Hex(secret), new TextEncoder().encode(JSON.stringify(pass)));
    return secret;
  }

  async #read(space: string, secret: string, now: number): Promise<Pass | undefined> {
    const bytes = await this.store.get(space, sha256Hex(secret));
    if (bytes === undefined) return undefined;
    const pass: Pass = JSON.parse(new TextDecoder().decode(bytes));
    if (now < pass.expiresAt) return pass;
    await this.store.delete(space, sha256Hex(secret));
    return undefined;
  }
}
