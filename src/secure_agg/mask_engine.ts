import { type ChaCha20Kernel, chaCha20Kernel, GROUP_BYTES } from "./_chacha20_kernel.ts";
import { release } from "./_release.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { nativeProvider } from "./native_provider.ts";

/** One mask to add or subtract. */
export interface MaskJob {
  /** ChaCha20 key, 32 bytes. */
  readonly key: Uint8Array;
  /** True to subtract. */
  readonly negate: boolean;
}

/**
 * Expands masks and adds them mod 2^32. The mask of a key is the ChaCha20 key stream (RFC 8439, zero nonce, block
 * counter from 0) read as little-endian 32-bit words: word i is the mask of coordinate i. As 2^b divides 2^32, no
 * reduction is needed before the end.
 */
export interface MaskEngine {
  /** Name, for reports. */
  readonly name: string;
  /**
   * Adds the masks of all jobs to `words`.
   * @param words coordinates `first` to `first + words.length - 1`, changed in place
   * @param first coordinate of words[0], a multiple of 16
   */
  apply(words: Uint32Array, jobs: readonly MaskJob[], first: number): void | Promise<void>;
}

/** Words that stay in the cache while the masks of all jobs pass over them: 512 KiB. */
const BLOCK_WORDS = 1 << 17;
/**
 * Words of key stream that a native cipher makes at a time: 64 KiB. Arrays of 128 KiB and more come as fresh pages from
 * the system, and every page costs a fault.
 */
const PIECE_WORDS = 1 << 15;
const STATE = 0;
const TARGET = 1024;
const SOURCE = TARGET + 4 * BLOCK_WORDS;
const PAGES = Math.ceil((SOURCE + 4 * PIECE_WORDS) / 65_536);
/** "expand 32-byte k" */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
/** Below this size, starting a native cipher costs more than it saves. */
const SMALL_WORDS = 1 << 12;

/** How one mask is added to the block that lies at {@link TARGET}; the counter is that of the block's first word. */
type AddMask = (kernel: ChaCha20Kernel, job: MaskJob, counter: number, words: number) => void;

const groupsOf = (words: number): number => Math.ceil((4 * words) / GROUP_BYTES);

/** Expansion inside the kernel, fused with the addition. */
const addFused: AddMask = ({ memory, expand }, { key, negate }, counter, words) => {
  const state = new Uint32Array(memory.buffer, STATE, 16);
  state.set(CONSTANTS);
  new Uint8Array(memory.buffer, STATE + 16, 32).set(key);
  state[12] = counter; // the nonce after it is zero: nobody writes there
  expand(STATE, TARGET, groupsOf(words), Number(negate));
};

/** Expansion by a provider's ChaCha20, addition in the kernel. */
function addStream(provider: CryptoProvider): AddMask {
  return (kernel, job, counter, words) => {
    if (words < SMALL_WORDS) return addFused(kernel, job, counter, words);
    const next = provider.keyStream(job.key, counter, 4 * words);
    for (let start = 0; start < words; start += PIECE_WORDS) {
      const length = Math.min(PIECE_WORDS, words - start);
      const stream = next(4 * length);
      new Uint8Array(kernel.memory.buffer, SOURCE, stream.length).set(stream);
      stream.fill(0);
      release(stream);
      kernel.add(SOURCE, TARGET + 4 * start, groupsOf(length), Number(job.negate));
    }
  };
}

function blockedEngine(name: string, addMask: AddMask): MaskEngine {
  let kernel: ChaCha20Kernel | undefined;
  const apply = (words: Uint32Array, jobs: readonly MaskJob[], first: number): void => {
    if (jobs.length === 0) return;
    if (first % 16 !== 0 || first < 0 || (first + words.length) / 16 > 2 ** 32) {
      throw new RangeError(`masks cannot start at coordinate ${first}: a multiple of 16 is needed`);
    }
    if (jobs.some(({ key }) => key.length !== 32)) throw new RangeError("a mask key has 32 bytes");
    kernel ??= chaCha20Kernel(PAGES);
    for (let start = 0; start < words.length; start += BLOCK_WORDS) {
      const block = words.subarray(start, start + BLOCK_WORDS);
      const target = new Uint32Array(kernel.memory.buffer, TARGET, block.length);
      target.set(block);
      for (const job of jobs) addMask(kernel, job, (first + start) / 16, block.length);
      block.set(target);
    }
    // Key, key stream and masked block do not outlive the call.
    new Uint8Array(kernel.memory.buffer).fill(0);
  };
  return { name, apply };
}

/** Masks expanded by our WebAssembly SIMD kernel, fused with the addition: no native code needed. */
export function wasmEngine(): MaskEngine {
  return blockedEngine("wasm", addFused);
}

/** Masks expanded by the provider's ChaCha20 and added by the WebAssembly kernel. */
export function streamEngine(provider: CryptoProvider = nativeProvider): MaskEngine {
  return blockedEngine(`stream-${provider.name}`, addStream(provider));
}

/** Milliseconds for four masks over four pieces. */
function measure(engine: MaskEngine): number {
  const words = new Uint32Array(4 * PIECE_WORDS);
  const start = performance.now();
  engine.apply(words, Array(4).fill({ key: new Uint8Array(32), negate: false }), 0);
  return performance.now() - start;
}

/** The kernel must win by this factor: so short a measurement charges the native path for code still to be compiled. */
const MARGIN = 1.25;
/** Comparisons of the two engines, of which the kernel must win all but {@link LUCK}: other load hits single turns. */
const TURNS = 10;
const LUCK = 2;
let chosen: MaskEngine | undefined;

/** The faster of {@link streamEngine} and {@link wasmEngine} on this machine: measured once, in some 15 ms. */
export function fastestEngine(): MaskEngine {
  if (chosen === undefined) {
    const [native, wasm] = [streamEngine(nativeProvider), wasmEngine()];
    for (const engine of [native, wasm]) measure(engine); // the first turn compiles
    let won = 0;
    for (let turn = 0; turn < TURNS; turn++) {
      const nativeTime = measure(native);
      if (measure(wasm) * MARGIN < nativeTime) won++;
    }
    chosen = won >= TURNS - LUCK ? wasm : native;
  }
  return chosen;
}

/** The engine of this name, for a Worker that follows the choice of its pool. */
export function engineByName(name: string): MaskEngine {
  return name === "wasm" ? wasmEngine() : streamEngine(nativeProvider);
}

/** The engine used unless the caller names one: {@link fastestEngine}, or {@link wasmEngine} beside `noble`. */
export function defaultEngine(provider: CryptoProvider): MaskEngine {
  return provider.name === "native" ? fastestEngine() : wasmEngine();
}
