import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";

/** What the consortium hands to a hospital out of band: where to go, whose key to pin, and a one-time secret. */
export interface Invite {
  /** Format and version. */
  readonly format: "fedkim-invite/1";
  /** Name of the invited site. */
  readonly site: string;
  /** URL of the aggregator. */
  readonly url: string;
  /** Its Ed25519 public key, hexadecimal. */
  readonly aggregatorPublicKey: string;
  /** One-time secret, hexadecimal. */
  readonly secret: string;
}

const InviteSchema: z.ZodType<Invite> = z.strictObject({
  format: z.literal("fedkim-invite/1"),
  site: z.string(),
  url: z.string(),
  aggregatorPublicKey: z.string().regex(/^[0-9a-f]{64}$/),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
});

/** The invite as one line of text. */
export function encodeInvite(invite: Invite): string {
  const bytes = new TextEncoder().encode(JSON.stringify(invite));
  return `fk1.${bytes.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

/** Reads an invite. @throws FedKimError `AuthenticationError` for damaged text */
export function decodeInvite(token: string): Invite {
  try {
    if (!token.startsWith("fk1.")) throw new Error("prefix");
    const bytes = Uint8Array.fromBase64(token.slice(4).trim(), { alphabet: "base64url" });
    return InviteSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new FedKimError("AuthenticationError", "The invite cannot be read.", {
      found: `${token.length} characters`,
      needed: "the whole line that `fedkim enroll --site` printed, beginning with fk1.",
      remedy: "copy it again, or ask the consortium for a new one",
      cause,
    });
  }
}
