import { generateIdentity, type Identity, identityFromPrivateKey } from "../secure_agg/mod.ts";
import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { writeDurable } from "../formats/durable_file.ts";
import { fileInfo } from "../formats/file_info.ts";
import { fromHex, toHex } from "../formats/hex.ts";

const FileSchema = z.strictObject({
  format: z.literal("fedkim-identity/1"),
  site: z.string(),
  publicKey: z.string().length(64),
  privateKey: z.string().length(64),
});

/** Makes and stores an Ed25519 identity readable by the owner only. @throws FedKimError `ConfigError` where one exists */
export async function createIdentity(path: string, site: string): Promise<Identity> {
  if (await exists(path)) {
    throw new FedKimError("ConfigError", "This state folder already has an identity.", {
      found: path,
      remedy: "use another state folder, or keep using this identity",
    });
  }
  const identity = generateIdentity(site);
  const text = JSON.stringify({
    format: "fedkim-identity/1",
    site,
    publicKey: toHex(identity.publicKey),
    privateKey: toHex(identity.privateKey.reveal()),
  });
  await writeDurable(path, text);
  return identity;
}

/** Reads an identity file. @throws FedKimError `ConfigError` for a missing or damaged one */
export async function readIdentity(path: string): Promise<Identity> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    throw new FedKimError("ConfigError", "The identity file is missing.", {
      found: path,
      remedy: "enroll first: fedkim enroll --state DIR --invite TOKEN",
      cause,
    });
  }
  const identity = identityIn(text);
  if (identity === undefined) {
    throw new FedKimError("ConfigError", "The identity file is damaged.", {
      found: path,
      needed: "a fedkim-identity/1 file as `fedkim enroll` wrote it",
      remedy: "restore it from a backup, or enroll anew under another name",
    });
  }
  return identity;
}

/** The identity in a file's text; undefined where it is damaged, also where its two keys do not belong together. */
function identityIn(text: string): Identity | undefined {
  try {
    const file = FileSchema.parse(JSON.parse(text));
    const privateKey = fromHex(file.privateKey);
    if (privateKey === undefined) return undefined;
    const identity = identityFromPrivateKey(file.site, privateKey);
    return toHex(identity.publicKey) === file.publicKey ? identity : undefined;
  } catch {
    return undefined;
  }
}

/** True where something is at the path. @throws where it cannot be seen: a key that cannot be seen is not made anew */
export async function exists(path: string): Promise<boolean> {
  return await fileInfo(path) !== undefined;
}
