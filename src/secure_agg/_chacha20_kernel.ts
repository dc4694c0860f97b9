import { assemble, FunctionBody, I32, V128 } from "./_wasm_assembler.ts";

/** 64-byte ChaCha20 blocks that are computed side by side, so that four chains of instructions overlap. */
const BLOCKS = 4;
/** Bytes that one turn of the kernel makes. */
export const GROUP_BYTES = 64 * BLOCKS;

/** The additions, xors and rotations of one quarter round on rows (RFC 8439, section 2.1): [a, b, d, bits]. */
const QUARTER_ROUND = [[0, 1, 3, 16], [2, 3, 1, 12], [0, 1, 3, 8], [2, 3, 1, 7]] as const;

/** Lanes that turn a row of four words to the left by `count`. */
function rotateRow(count: number): number[] {
  return Array.from({ length: 16 }, (_, byte) => (((byte >> 2) + count) & 3) * 4 + (byte & 3));
}

/** The vector (value, 0, 0, 0): added to a state's last row, it advances the block counter. */
function counterStep(value: number): number[] {
  return [value, ...Array<number>(15).fill(0)];
}

/**
 * The kernel `expand(state, target, groups, negate)`: ChaCha20 blocks from the state of 16 words at `state`, added to
 * (or, if `negate` is not 0, subtracted from) the 32-bit words at `target`. A state is four rows of four words, one
 * vector each, so a round works on whole rows, and the diagonal round turns rows 1 to 3 first (RFC 8439, 2.3).
 */
function expandBody(): FunctionBody {
  const f = new FunctionBody(4);
  const [state, target, groups, negate] = [0, 1, 2, 3];
  const fixed = [f.local(V128), f.local(V128), f.local(V128)]; // constants and key
  const last = f.local(V128); // counter and nonce
  const round = f.local(I32);
  const blocks = Array.from({ length: BLOCKS }, () => Array.from({ length: 4 }, () => f.local(V128)));

  const eachBlock = (write: (rows: readonly number[], block: number) => void): void => blocks.forEach(write);
  const lastRow = (block: number): void => {
    f.get(last);
    if (block > 0) f.v128Const(counterStep(block)).i32x4Add();
  };
  const halfRound = (): void => {
    for (const [a, b, d, bits] of QUARTER_ROUND) {
      eachBlock((row) => f.get(row[a]).get(row[b]).i32x4Add().set(row[a]));
      eachBlock((row) => f.get(row[d]).get(row[a]).xor().set(row[d]));
      eachBlock((row) =>
        f.get(row[d]).i32Const(bits).i32x4Shl().get(row[d]).i32Const(32 - bits).i32x4ShrU().or().set(row[d])
      );
    }
  };
  const turnRows = (...counts: readonly number[]): void =>
    counts.forEach((count, i) =>
      eachBlock((row) => f.get(row[i + 1]).get(row[i + 1]).shuffle(rotateRow(count)).set(row[i + 1]))
    );
  const combine = (operation: () => FunctionBody): void =>
    eachBlock((rows, block) =>
      rows.forEach((row, i) => {
        const offset = 64 * block + 16 * i;
        f.get(target).get(target).load(offset).get(row);
        operation().store(offset);
      })
    );

  fixed.forEach((row, i) => f.get(state).load(16 * i).set(row));
  f.get(state).load(48).set(last);
  f.loop();
  eachBlock((rows, block) => {
    fixed.forEach((row, i) => f.get(row).set(rows[i]));
    lastRow(block);
    f.set(rows[3]);
  });
  f.i32Const(10).set(round).loop();
  halfRound();
  turnRows(1, 2, 3);
  halfRound();
  turnRows(3, 2, 1);
  f.get(round).i32Const(1).i32Sub().tee(round).continueIf().end();
  eachBlock((rows, block) => {
    fixed.forEach((row, i) => f.get(rows[i]).get(row).i32x4Add().set(rows[i]));
    f.get(rows[3]);
    lastRow(block);
    f.i32x4Add().set(rows[3]);
  });
  f.get(negate).if();
  combine(() => f.i32x4Sub());
  f.else();
  combine(() => f.i32x4Add());
  f.end();
  f.get(last).v128Const(counterStep(BLOCKS)).i32x4Add().set(last);
  f.get(target).i32Const(GROUP_BYTES).i32Add().set(target);
  f.get(groups).i32Const(1).i32Sub().tee(groups).continueIf().end();
  return f;
}

/** The kernel `add(source, target, groups, negate)`: adds or subtracts 32-bit words, {@link GROUP_BYTES} a turn. */
function addBody(): FunctionBody {
  const f = new FunctionBody(4);
  const [source, target, groups, negate] = [0, 1, 2, 3];
  const combine = (operation: () => FunctionBody): void => {
    f.loop();
    for (let offset = 0; offset < GROUP_BYTES; offset += 16) {
      f.get(target).get(target).load(offset).get(source).load(offset);
      operation().store(offset);
    }
    for (const pointer of [source, target]) f.get(pointer).i32Const(GROUP_BYTES).i32Add().set(pointer);
    f.get(groups).i32Const(1).i32Sub().tee(groups).continueIf().end();
  };
  f.get(negate).if();
  combine(() => f.i32x4Sub());
  f.else();
  combine(() => f.i32x4Add());
  f.end();
  return f;
}

/** An instance of the kernel. Every group must lie inside the memory, and `groups` must not be 0. */
export interface ChaCha20Kernel {
  readonly memory: WebAssembly.Memory;
  /** Expands and adds; the state is four constants, eight key words, counter, three nonce words. */
  readonly expand: (state: number, target: number, groups: number, negate: number) => void;
  /** Adds words at `source` to words at `target`. */
  readonly add: (source: number, target: number, groups: number, negate: number) => void;
}

/** Assembles and instantiates the kernel with a memory of `pages` 64 KiB pages. */
export function chaCha20Kernel(pages: number): ChaCha20Kernel {
  const module = new WebAssembly.Module(assemble(pages, [
    { name: "expand", parameters: 4, body: expandBody() },
    { name: "add", parameters: 4, body: addBody() },
  ]));
  return new WebAssembly.Instance(module).exports as unknown as ChaCha20Kernel;
}
