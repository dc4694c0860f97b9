import { z } from "zod";
import { join } from "node:path";
import { type Identity, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { AuditLog } from "./audit_log.ts";
import { createIdentity, exists, readIdentity } from "./identity_file.ts";
import type { Invite } from "./invite.ts";
import { openStore, type Store } from "./store/mod.ts";

/** Label under which a member signs its enrolment. */
export const ENROLL_LABEL = "fedkim/enroll/1";

/** What a member signs at its enrolment, under {@link ENROLL_LABEL}: it knows the secret and holds the key. */
export function enrollmentStatement(name: string, secret: string, publicKeyHex: string): Uint8Array {
  return new TextEncoder().encode(`${name}\n${secret}\n${publicKeyHex}`);
}
/** Label under which a new key agrees to replace an old one. */
export const ROTATE_LABEL = "fedkim/rotate/1";
/** How long an invite may be accepted, milliseconds: two weeks. */
export const INVITE_MS = 14 * 24 * 3600 * 1000;
/** File name of the embedded store in the aggregator's state folder. */
export const STORE_FILE = "store.sqlite";

/** What a member may do: take part in rounds, run the federation, or read its records. */
export const ROLES = ["site", "operator", "auditor"] as const;

/** See {@link ROLES}. */
export type Role = typeof ROLES[number];

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const MemberSchema = z.strictObject({
  publicKey: hex32,
  role: z.enum(ROLES),
  enrolledAt: z.string(),
  rotatedAt: z.string().optional(),
  revokedAt: z.string().optional(),
});
const InviteSchema = z.strictObject({ secretHash: hex32, role: z.enum(ROLES), expiresAt: z.number() });
const HeadSchema = z.strictObject({ sequence: z.number().int(), hash: z.string() });

/** Somebody with a pinned key. */
export interface Member {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** What it may do. */
  readonly role: Role;
  /** True once its key is no longer accepted. */
  readonly revoked: boolean;
}

/** Position of a ledger: number of its last entry and that entry's hash. */
export interface LedgerHead {
  /** Number of the last entry, 0 for the first. */
  readonly sequence: number;
  /** Hash of the last entry, hexadecimal. */
  readonly hash: string;
}

/** Who may take part: open invites (hashed), pinned keys with roles, and the last countersigned ledger head of each site. */
export class EnrollmentBook {
  private constructor(
    /** The aggregator's own identity. */
    readonly identity: Identity,
    /** Where everything durable of the aggregator is kept. */
    readonly store: Store,
    /** What was done, by whom and when. */
    readonly audit: AuditLog,
  ) {}

  /**
   * Opens the book, making identity and store on first use.
   * @param stateFolder folder of the aggregator's identity, and of the embedded store
   * @param place see `openStore`; a SQLite file in the state folder by default
   * @throws FedKimError `StoreError`, or `ConfigError` for a damaged identity
   */
  static async open(
    stateFolder: string,
    place: string = join(stateFolder, STORE_FILE),
  ): Promise<EnrollmentBook> {
    const identityPath = join(stateFolder, "identity.json");
    const identity = await exists(identityPath)
      ? await readIdentity(identityPath)
      : await createIdentity(identityPath, "aggregator");
    const store = await openStore(place);
    return new EnrollmentBook(identity, store, new AuditLog(store));
  }

  /** Closes the store. */
  close(): Promise<void> {
    return this.store.close();
  }

  /**
   * Makes an invite, also while the aggregator runs; an older open invite for the same name is void afterwards.
   * @param name of the member to be
   * @param url where the member reaches the aggregator
   * @param role what it may do
   * @throws FedKimError `AuthenticationError` where the name is enrolled already, `ConfigError` for an illegal name
   */
  async invite(name: string, url: string, role: Role = "site"): Promise<Invite> {
    if (!isMemberName(name)) {
      throw new FedKimError("ConfigError", "A member cannot have this name.", {
        found: name,
        needed: "lower-case letters, digits, - and _, at most 63",
      });
    }
    if (await this.member(name) !== undefined) {
      throw new FedKimError("AuthenticationError", `${name} is enrolled already.`, {
        remedy: "choose another name; a revoked name stays taken, so that its records stay its own",
      });
    }
    const secret = toHex(crypto.getRandomValues(new Uint8Array(32)));
    await this.#write("invite", name, {
      secretHash: sha256Hex(secret),
      role,
      expiresAt: Date.now() + INVITE_MS,
    });
    await this.audit.record("aggregator", "invited", { name, role });
    return {
      format: "fedkim-invite/1",
      site: name,
      url,
      aggregatorPublicKey: toHex(this.identity.publicKey),
      secret,
    };
  }

  /**
   * Pins a member's key against an open invite, which is then used up. Sending the same enrolment again is allowed.
   * @throws FedKimError `AuthenticationError` for a wrong or expired secret, a wrong signature or another key
   */
  async enroll(name: string, secret: string, publicKeyHex: string, signatureHex: string): Promise<void> {
    const statement = enrollmentStatement(name, secret, publicKeyHex);
    requireSignature(publicKeyHex, ENROLL_LABEL, statement, signatureHex);
    if (!isMemberName(name)) throw denied("no such name was invited");
    const invite = await this.#read("invite", name, InviteSchema);
    const open = invite !== undefined && invite.secretHash === sha256Hex(secret) &&
      Date.now() < invite.expiresAt;
    let fresh = false;
    await this.#change(name, (old) => {
      if (old?.publicKey === publicKeyHex && old.revokedAt === undefined) return undefined;
      if (old !== undefined || !open) throw denied("there is no open invite with this secret");
      fresh = true;
      return { publicKey: publicKeyHex, role: invite.role, enrolledAt: new Date().toISOString() };
    });
    if (!fresh) return;
    await this.store.delete("invite", name);
    await this.audit.record(name, "enrolled", { publicKey: publicKeyHex });
  }

  /**
   * Replaces a member's key; the caller has authenticated the request with the old one.
   * @param signatureHex the new key's signature over name and key, as {@link ROTATE_LABEL}
   * @throws FedKimError `AuthenticationError` where the new key has not signed or the member is revoked
   */
  async rotate(name: string, publicKeyHex: string, signatureHex: string): Promise<void> {
    const statement = new TextEncoder().encode(`${name}\n${publicKeyHex}`);
    requireSignature(publicKeyHex, ROTATE_LABEL, statement, signatureHex);
    await this.#change(name, (old) => {
      if (old === undefined || old.revokedAt !== undefined) throw denied("the member is not enrolled");
      return { ...old, publicKey: publicKeyHex, rotatedAt: new Date().toISOString() };
    });
    await this.audit.record(name, "key_rotated", { publicKey: publicKeyHex });
  }

  /** Refuses a member's key from now on, or takes an open invite back. @throws FedKimError `AuthenticationError` for a stranger */
  async revoke(name: string): Promise<void> {
    const invited = await this.store.get("invite", name) !== undefined;
    await this.store.delete("invite", name);
    await this.#change(name, (old) => {
      if (old === undefined && !invited) throw denied(`${name} is not enrolled`);
      return old && { ...old, revokedAt: old.revokedAt ?? new Date().toISOString() };
    });
    await this.audit.record("aggregator", "revoked", { name });
  }

  /** An enrolled member. */
  async member(name: string): Promise<Member | undefined> {
    const found = await this.#read("member", name, MemberSchema);
    return found && {
      publicKey: fromHex(found.publicKey)!,
      role: found.role,
      revoked: found.revokedAt !== undefined,
    };
  }

  /** Names of all members, revoked ones too. */
  members(): Promise<string[]> {
    return this.store.keys("member");
  }

  /** Names with an invite that nobody has accepted. */
  invited(): Promise<string[]> {
    return this.store.keys("invite");
  }

  /** The last ledger head that was countersigned for a site. */
  async headOf(site: string): Promise<LedgerHead | undefined> {
    return await this.#read("head", site, HeadSchema);
  }

  /**
   * Remembers a newer head; an older one is ignored, so that a rolled-back site cannot lower it.
   * @returns the newest head
   */
  async recordHead(site: string, head: LedgerHead): Promise<LedgerHead> {
    let newest = head;
    await this.store.update("head", site, (old) => {
      const known = old === undefined ? undefined : decode(old, HeadSchema, site);
      newest = known !== undefined && head.sequence <= known.sequence ? known : head;
      if (newest !== head) return undefined;
      return encode({ sequence: head.sequence, hash: head.hash });
    });
    return { sequence: newest.sequence, hash: newest.hash };
  }

  async #read<T>(space: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const bytes = await this.store.get(space, name);
    return bytes && decode(bytes, schema, name);
  }

  #write(space: string, name: string, value: unknown): Promise<void> {
    return this.store.put(space, name, encode(value));
  }

  /** Changes a member's entry with nobody in between. */
  async #change(
    name: string,
    change: (old: z.infer<typeof MemberSchema> | undefined) => z.infer<typeof MemberSchema> | undefined,
  ): Promise<void> {
    await this.store.update("member", name, (old) => {
      const next = change(old && decode(old, MemberSchema, name));
      return next && encode(next);
    });
  }
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decode<T>(bytes: Uint8Array, schema: z.ZodType<T>, name: string): T {
  const parsed = schema.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data;
  throw new FedKimError("StoreError", `The enrolment entry of ${name} is damaged.`, {
    reason: "damaged",
    remedy: "restore the aggregator's store from a backup",
  });
}

function isMemberName(name: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,62}$/.test(name);
}

function requireSignature(
  publicKeyHex: string,
  label: string,
  statement: Uint8Array,
  signatureHex: string,
): void {
  const publicKey = fromHex(publicKeyHex);
  const signature = fromHex(signatureHex);
  if (
    publicKey?.length !== 32 || signature === undefined ||
    !verifyLabelled(publicKey, label, statement, signature)
  ) {
    throw denied("the signature does not fit the key");
  }
}

function denied(found: string): FedKimError {
  return new FedKimError("AuthenticationError", "The enrolment is refused.", {
    found,
    remedy: "ask the consortium for a new invite",
  });
}
