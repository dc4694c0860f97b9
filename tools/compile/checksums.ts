import { createHash } from "node:crypto";
import { join } from "node:path";

/** Writes `SHA256SUMS` beside some files, in the form that `sha256sum --check` reads. */
export async function writeChecksums(folder: string, names: readonly string[]): Promise<void> {
  const lines = await Promise.all(
    names.toSorted().map(async (name) => `${await fileSha256(join(folder, name))}  ${name}`),
  );
  await Deno.writeTextFile(join(folder, "SHA256SUMS"), lines.join("\n") + "\n");
}

/** SHA-256 of a file, hexadecimal. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}
