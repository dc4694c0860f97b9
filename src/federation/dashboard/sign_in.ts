import { sha256Hex } from "../../formats/canonical_json.ts";
import { toHex } from "../../formats/hex.ts";
import type { EnrollmentBook } from "../enrollment_book.ts";

/** How long a link may be opened, milliseconds. */
export const TICKET_MS = 5 * 60 * 1000;
/** How long a browser stays signed in, milliseconds. */
export const SESSION_MS = 12 * 3600 * 1000;
/** A member's sign-ins are one entry of the audit log in so many milliseconds: nobody can fill it by signing in. */
export const NOTED_MS = 24 * 3600 * 1000;
/** Open tickets, and open sessions, of one member: the oldest give way. */
const MAX_OPEN = 10;

interface Pass {
  readonly expiresAt: number;
  /** Hash of the member's key when the pass was issued: a new key closes what the old one opened. */
  readonly keyHash: string;
}

/** Where it is kept when a member's sign-in was noted last. */
const NOTED_SPACE = "sign_in_noted";

/** The newest noted sign-in of a member. */
interface Noted {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Sign-ins since then that are in no entry yet. */
  readonly repeated: number;
}

/**
 * Signs members in without passwords: a request signed with the member's key gets a one-time ticket, the ticket opens a
 * session in a browser. A pass reads `member.secret`; only hashes of secrets are stored, so that a copy of the store
 * opens nothing.
 */
export class SignIn {
  /** @param book members, and the store where open tickets and sessions are kept for every replica */
  constructor(private readonly book: EnrollmentBook) {}

  /** A one-time ticket for an authenticated member. */
  async ticket(member: string, now: number = Date.now()): Promise<string> {
    return await this.#issue("ticket", member, now, TICKET_MS);
  }

  /** Uses a ticket up. @returns a new session, or undefined for a ticket that is unknown, used or too old */
  async open(ticket: string, now: number = Date.now()): Promise<string | undefined> {
    const member = await this.#holder("ticket", ticket, now);
    if (member === undefined) return undefined;
    // Two browsers with one link: the first one is let in.
    if (!(await this.book.store.once("ticket", sha256Hex(ticket), 2 * TICKET_MS))) return undefined;
    await this.book.store.delete(`ticket/${member}`, sha256Hex(ticket));
    return await this.#issue("session", member, now, SESSION_MS);
  }

  /** Notes a sign-in in the audit log; an entry says how many followed the one before it within its day. */
  async note(member: string, now: number = Date.now()): Promise<void> {
    const { store, audit } = this.book;
    const bytes = await store.get(NOTED_SPACE, member);
    const known = bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes)) as Noted;
    const fold = known !== undefined && now - known.at < NOTED_MS;
    if (!fold) {
      await audit.record(member, "signed_in", known === undefined ? {} : { repeatedBefore: known.repeated });
    }
    const next: Noted = fold ? { at: known.at, repeated: known.repeated + 1 } : { at: now, repeated: 0 };
    await store.put(NOTED_SPACE, member, new TextEncoder().encode(JSON.stringify(next)));
  }

  /** The member of a session; undefined where it is unknown, too old, or of a key that is no longer the member's. */
  member(session: string, now: number = Date.now()): Promise<string | undefined> {
    return this.#holder("session", session, now);
  }

  /** Ends a session. */
  async close(session: string): Promise<void> {
    await this.book.store.delete(`session/${nameOf(session)}`, sha256Hex(session));
  }

  async #issue(kind: "ticket" | "session", member: string, now: number, ttlMs: number): Promise<string> {
    const { store } = this.book;
    const space = `${kind}/${member}`;
    const open: { readonly key: string; readonly expiresAt: number }[] = [];
    for (const key of await store.keys(space)) {
      const bytes = await store.get(space, key);
      open.push({ key, expiresAt: bytes === undefined ? 0 : read(bytes).expiresAt });
    }
    open.sort((a, b) => b.expiresAt - a.expiresAt);
    const stale = open.filter(({ expiresAt }, rank) => expiresAt <= now || rank >= MAX_OPEN - 1);
    for (const { key } of stale) await store.delete(space, key);
    const pass = `${member}.${toHex(crypto.getRandomValues(new Uint8Array(32)))}`;
    const content: Pass = { expiresAt: now + ttlMs, keyHash: await this.#keyHash(member) ?? "" };
    await store.put(space, sha256Hex(pass), new TextEncoder().encode(JSON.stringify(content)));
    return pass;
  }

  async #holder(kind: "ticket" | "session", pass: string, now: number): Promise<string | undefined> {
    const member = nameOf(pass);
    const bytes = member === "" ? undefined : await this.book.store.get(`${kind}/${member}`, sha256Hex(pass));
    if (bytes === undefined) return undefined;
    const { expiresAt, keyHash } = read(bytes);
    return now < expiresAt && keyHash === await this.#keyHash(member) ? member : undefined;
  }

  async #keyHash(name: string): Promise<string | undefined> {
    const member = await this.book.member(name);
    return member === undefined || member.revoked ? undefined : sha256Hex(member.publicKey);
  }
}

function nameOf(pass: string): string {
  return /^([a-z0-9][a-z0-9_-]{0,62})\.[0-9a-f]{64}$/.exec(pass)?.[1] ?? "";
}

function read(bytes: Uint8Array): Pass {
  return JSON.parse(new TextDecoder().decode(bytes));
}
