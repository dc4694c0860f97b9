import { Buffer } from "node:buffer";
import nodeCrypto from "node:crypto";
import { fastestEngine, streamEngine, wasmEngine } from "../../src/secure_agg/mod.ts";
import { bestOf } from "./_measure.ts";

/** Gigabytes a CPU second. */
export interface MaskSpeed {
  readonly name: string;
  readonly gigabytes: number;
}

const MASKS = 20;
const WORDS = 1_000_000;

/** `openssl speed` of this machine on 64 KiB blocks, GB/s, or undefined without the program. */
function opensslSpeed(): number | undefined {
  try {
    const args = ["speed", "-seconds", "1", "-bytes", "65536", "-evp", "chacha20"];
    const { stdout, success } = new Deno.Command("openssl", { args, stderr: "null" }).outputSync();
    const rate = /([\d.]+)k\s*$/.exec(new TextDecoder().decode(stdout).trim());
    return success && rate !== null ? Number(rate[1]) / 1e6 : undefined;
  } catch {
    return undefined;
  }
}

/** Mask expansion with the modular addition, beside the bare key stream over the same bytes, in one run. */
export async function measureMasks(): Promise<MaskSpeed[]> {
  const words = new Uint32Array(WORDS);
  const keys = Array.from({ length: MASKS }, () => crypto.getRandomValues(new Uint8Array(32)));
  const jobs = keys.map((key, i) => ({ key, negate: i % 2 === 1 }));
  const zeros = Buffer.alloc(1 << 18);
  const bareStream = (): void => {
    for (const key of keys) {
      const cipher = nodeCrypto.createCipheriv("chacha20", key, new Uint8Array(16));
      for (let left = 4 * WORDS; left > 0; left -= zeros.length) {
        cipher.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
      }
      cipher.final();
    }
  };
  const engines = [streamEngine(), wasmEngine(), fastestEngine()];
  const runs = [bareStream, ...engines.map((engine) => () => engine.apply(words, jobs, 0))];
  for (const run of runs) await run();
  const best = await bestOf(12, runs);
  const bytes = MASKS * WORDS * 4 / 1e9;
  const named = [
    "node:crypto chacha20, key stream only",
    "expand + add, native stream",
    "expand + add, WASM SIMD",
  ];
  const speeds = [...named, `expand + add, as chosen (${engines[2].name})`].map((name, i) => ({
    name,
    gigabytes: bytes / best[i],
  }));
  const openssl = opensslSpeed();
  return openssl === undefined
    ? speeds
    : [{ name: "openssl speed -evp chacha20, 64 KiB", gigabytes: openssl }, ...speeds];
}
