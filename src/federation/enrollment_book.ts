import { z } from "zod";
import { dirname, join } from "node:path";
import { type Identity, verifyLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { writeDurable } from "../formats/durable_file.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { createIdentity, exists, readIdentity } from "./identity_file.ts";
import type { Invite } from "./invite.ts";

/** Label under which a site signs its enrolment. */
export const ENROLL_LABEL = "fedkim/enroll/1";

const BookSchema = z.strictObject({
  format: z.literal("fedkim-enrollment/1"),
  sites: z.record(z.string(), z.string()),
  heads: z.record(z.string(), z.strictObject({ sequence: z.number().int(), hash: z.string() })),
});

/** Position of a ledger: number of its last entry and that entry's hash. */
export interface LedgerHead {
  /** Number of the last entry, 0 for the first. */
  readonly sequence: number;
  /** Hash of the last entry, hexadecimal. */
  readonly hash: string;
}

/** Who may take part: open invites (hashed, one file each), enrolled keys, and the last countersigned ledger head of each site. */
export class EnrollmentBook {
  #saving: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    /** The aggregator's own identity. */
    readonly identity: Identity,
    private book: z.infer<typeof BookSchema>,
  ) {}

  /** Opens the book in a state folder, making identity and book on first use. */
  static async open(stateFolder: string): Promise<EnrollmentBook> {
    const identityPath = join(stateFolder, "identity.json");
    const identity = await exists(identityPath)
      ? await readIdentity(identityPath)
      : await createIdentity(identityPath, "aggregator");
    const path = join(stateFolder, "enrollment.json");
    if (!(await exists(path))) {
      return new EnrollmentBook(path, identity, {
        format: "fedkim-enrollment/1",
        sites: {},
        heads: {},
      });
    }
    const parsed = BookSchema.safeParse(JSON.parse(await Deno.readTextFile(path)));
    if (!parsed.success) {
      throw new FedKimError("ConfigError", "The enrolment book is damaged.", {
        found: path,
        remedy: "restore it from a backup",
      });
    }
    return new EnrollmentBook(path, identity, parsed.data);
  }

  /**
   * Makes an invite, also while the aggregator runs; an older open invite for the same site is void afterwards.
   * @throws FedKimError `AuthenticationError` where the site is enrolled already
   */
  async invite(site: string, url: string): Promise<Invite> {
    if (this.book.sites[site] !== undefined) {
      throw new FedKimError("AuthenticationError", `The site ${site} is enrolled already.`, {
        remedy: "choose another name, or remove the site from the enrolment book first",
      });
    }
    const secret = toHex(crypto.getRandomValues(new Uint8Array(32)));
    await writeDurable(this.#invitePath(site), sha256Hex(secret));
    return {
      format: "fedkim-invite/1",
      site,
      url,
      aggregatorPublicKey: toHex(this.identity.publicKey),
      secret,
    };
  }

  /**
   * Pins a site's key against an open invite, which is then used up. Sending the same enrolment again is allowed.
   * @throws FedKimError `AuthenticationError` for a wrong secret, a wrong signature or another key
   */
  async enroll(site: string, secret: string, publicKeyHex: string, signatureHex: string): Promise<void> {
    const publicKey = fromHex(publicKeyHex);
    const signature = fromHex(signatureHex);
    const statement = new TextEncoder().encode(`${site}\n${secret}\n${publicKeyHex}`);
    if (
      publicKey === undefined || signature === undefined || publicKey.length !== 32 ||
      !verifyLabelled(publicKey, ENROLL_LABEL, statement, signature)
    ) {
      throw denied("the signature does not fit the key");
    }
    if (this.book.sites[site] === publicKeyHex) return;
    const open = isSiteName(site) && await exists(this.#invitePath(site))
      ? await Deno.readTextFile(this.#invitePath(site))
      : undefined;
    // Looked at after the wait: of two enrolments at once, one must not overwrite the other.
    const taken = this.publicKeyOf(site) !== undefined;
    if (taken || open !== sha256Hex(secret)) throw denied("there is no open invite with this secret");
    this.book.sites[site] = publicKeyHex;
    await this.#save();
    await Deno.remove(this.#invitePath(site));
  }

  /** Public key of an enrolled site. */
  publicKeyOf(site: string): Uint8Array | undefined {
    return Object.hasOwn(this.book.sites, site) ? fromHex(this.book.sites[site]) : undefined;
  }

  /** The last ledger head that was countersigned for a site. */
  headOf(site: string): LedgerHead | undefined {
    return Object.hasOwn(this.book.heads, site) ? this.book.heads[site] : undefined;
  }

  /** Remembers a newer head; an older one is ignored, so that a rolled-back site cannot lower it. */
  async recordHead(site: string, head: LedgerHead): Promise<void> {
    if (head.sequence <= (this.headOf(site)?.sequence ?? -1)) return;
    this.book.heads[site] = { sequence: head.sequence, hash: head.hash };
    await this.#save();
  }

  #invitePath(site: string): string {
    return join(dirname(this.path), "invites", `${site}.sha256`);
  }

  /** Saves one after the other, so that an older state never replaces a newer one. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(() => writeDurable(this.path, JSON.stringify(this.book)));
    return this.#saving;
  }
}

/** Site names are file names here, so nothing else may pass. */
function isSiteName(site: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,62}$/.test(site);
}

function denied(found: string): FedKimError {
  return new FedKimError("AuthenticationError", "The enrolment is refused.", {
    found,
    remedy: "ask the consortium for a new invite",
  });
}
