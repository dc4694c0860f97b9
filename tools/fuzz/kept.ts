import { fileURLToPath } from "node:url";

/** Where inputs are kept for ever: one JSON file for each target. */
export const KEPT_FOLDER = fileURLToPath(new URL("../../tests/vectors/fuzz", import.meta.url));

/** Inputs kept of one target. */
export interface KeptInputs {
  /** Inputs that once were findings: base64. They must be refused or accepted properly for ever. */
  readonly findings: readonly { readonly what: string; readonly input: string }[];
  /** Inputs that reach code which the seeds do not: base64. */
  readonly interesting: readonly string[];
}

/** Reads what is kept of a target; nothing where there is no file. */
export async function readKept(target: string): Promise<KeptInputs> {
  try {
    return JSON.parse(await Deno.readTextFile(`${KEPT_FOLDER}/${target}.json`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { findings: [], interesting: [] };
  }
}

/** All kept inputs as bytes. */
export function keptBytes({ findings, interesting }: KeptInputs): Uint8Array[] {
  return [...findings.map(({ input }) => input), ...interesting].map((text) => Uint8Array.fromBase64(text));
}

/** Most inputs kept for the code that they reach, and the longest of them in bytes: the folder stays small. */
const MOST = 24;
const LONGEST = 1500;

/** Adds findings and the shortest interesting inputs to what is kept of a target. */
export async function keep(
  target: string,
  findings: readonly { readonly what: string; readonly input: Uint8Array }[],
  interesting: readonly Uint8Array[],
): Promise<void> {
  const old = await readKept(target);
  const known = new Set(old.findings.map(({ input }) => input));
  const fresh = findings.map(({ what, input }) => ({ what, input: input.toBase64() }))
    .filter(({ input }) => !known.has(input) && input.length < 20_000);
  const short = interesting.filter(({ length }) => length <= LONGEST).map((input) => input.toBase64());
  const all = [...new Set([...old.interesting, ...short])];
  // Spread over the whole run: early ones reach the first branches, late ones the deep ones.
  const step = Math.max(1, all.length / MOST);
  const chosen = Array.from({ length: Math.min(MOST, all.length) }, (_, i) => all[Math.floor(i * step)]);
  const kept: KeptInputs = { findings: [...old.findings, ...fresh], interesting: chosen };
  if (kept.findings.length + kept.interesting.length === 0) return;
  await Deno.mkdir(KEPT_FOLDER, { recursive: true });
  await Deno.writeTextFile(`${KEPT_FOLDER}/${target}.json`, JSON.stringify(kept, null, 1) + "\n");
}
