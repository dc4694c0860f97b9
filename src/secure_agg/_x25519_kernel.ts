import { assemble, FunctionBody, I32, V128 } from "./_wasm_assembler.ts";
import { A24, CARRY_MAGIC, FOLD, LIMBS, readLimbs, writeLimbs } from "./_x25519_field.ts";

/** Memory: constants, the products that wrap around, the scalar, then numbers of twelve vectors each. */
const MAGIC_AT = 0;
const FOLD_AT = 96;
const A24_AT = 104;
const WRAPPED_AT = 128;
const SCALAR_AT = 320;
const NUMBER_BYTES = 16 * LIMBS;
const number = (index: number): number => 512 + NUMBER_BYTES * index;
const [X1, X2, Z2, X3, Z3, A, B, C, D, AA, BB, E, DA, CB] = Array.from({ length: 14 }, (_, i) => number(i));
const END = number(14);
/** Limbs of a product that are summed side by side: as many chains of additions as keep the unit busy. */
const GROUP = 6;
const [MULTIPLY, SQUARE, SUM_DIFFERENCE, ADD_SCALED, SWAP] = [0, 1, 2, 3, 4];
const NAMES = ["multiply", "square", "sumDifference", "addScaled", "swap", "ladder", "squareTimes"];

const locals = (f: FunctionBody, count: number): number[] =>
  Array.from({ length: count }, () => f.local(V128));

/** Carries through all limbs in two chains side by side, until every limb is reduced. */
function carry(f: FunctionBody, limbs: readonly number[]): void {
  const taken = f.local(V128);
  const one = (k: number): void => {
    const next = limbs[(k + 1) % LIMBS];
    f.get(limbs[k]);
    f.i32Const(0).loadSplat64(MAGIC_AT + 8 * k).f64x2Add();
    f.i32Const(0).loadSplat64(MAGIC_AT + 8 * k).f64x2Sub().set(taken);
    f.get(limbs[k]).get(taken).f64x2Sub().set(limbs[k]);
    f.get(taken);
    if (k === LIMBS - 1) f.i32Const(0).loadSplat64(FOLD_AT).f64x2Mul();
    f.get(next).f64x2Add().set(next);
  };
  for (let step = 0; step <= LIMBS / 2; step++) {
    one(step % LIMBS);
    one((step + LIMBS / 2) % LIMBS);
  }
}

function storeAll(f: FunctionBody, target: number, limbs: readonly number[]): void {
  limbs.forEach((limb, i) => f.get(target).get(limb).store(16 * i));
}

/** multiply(target, a, b): all sums of a_i b_j of one k = i + j, with b_j folded where i + j wraps around. */
function multiplyBody(): FunctionBody {
  const f = new FunctionBody(3);
  const [target, a, b] = [0, 1, 2];
  const [sums, window, [factor]] = [locals(f, LIMBS), locals(f, GROUP), locals(f, 1)];
  for (let j = 0; j < LIMBS; j++) {
    f.i32Const(0).get(b).load(16 * j).i32Const(0).loadSplat64(FOLD_AT).f64x2Mul().store(WRAPPED_AT + 16 * j);
  }
  // Folded limbs, then plain ones: a_i meets entry k - i + 12, so that a window moves along by one entry per i.
  const load = (entry: number): void => {
    if (entry < LIMBS) f.i32Const(0).load(WRAPPED_AT + 16 * entry);
    else f.get(b).load(16 * (entry - LIMBS));
    f.set(window[entry % GROUP]);
  };
  for (let first = 0; first < LIMBS; first += GROUP) {
    for (let q = 1; q < GROUP; q++) load(first + LIMBS + q);
    for (let i = 0; i < LIMBS; i++) {
      load(first + LIMBS - i);
      f.get(a).load(16 * i).set(factor);
      for (let k = first; k < first + GROUP; k++) {
        f.get(factor).get(window[(k - i + LIMBS) % GROUP]);
        if (i === 0) f.f64x2Mul();
        else f.get(sums[k]).f64x2RelaxedMadd();
        f.set(sums[k]);
      }
    }
  }
  carry(f, sums);
  storeAll(f, target, sums);
  return f;
}

/** square(target, a): the products of unequal limbs once, doubled, then the squares. */
function squareBody(): FunctionBody {
  const f = new FunctionBody(2);
  const [target, a] = [0, 1];
  const [limbs, folded, sums] = [locals(f, LIMBS), locals(f, LIMBS), locals(f, LIMBS)];
  limbs.forEach((limb, i) => f.get(a).load(16 * i).set(limb));
  for (let j = LIMBS / 2; j < LIMBS; j++) {
    f.get(limbs[j]).i32Const(0).loadSplat64(FOLD_AT).f64x2Mul().set(folded[j]);
  }
  for (let k = 0; k < LIMBS; k++) {
    const pairs: [number, number][] = [];
    for (let i = 0; i < LIMBS; i++) {
      if (i < k - i) pairs.push([limbs[i], limbs[k - i]]);
      const j = k + LIMBS - i;
      if (i < j && j < LIMBS) pairs.push([limbs[i], folded[j]]);
    }
    pairs.forEach(([x, y], at) => {
      f.get(x).get(y);
      if (at === 0) f.f64x2Mul();
      else f.get(sums[k]).f64x2RelaxedMadd();
      f.set(sums[k]);
    });
    f.get(sums[k]).get(sums[k]).f64x2Add().set(sums[k]);
    if (k % 2 === 1) continue;
    f.get(limbs[k / 2]).get(limbs[k / 2]).get(sums[k]).f64x2RelaxedMadd().set(sums[k]);
    const wrapped = (k + LIMBS) / 2;
    f.get(limbs[wrapped]).get(folded[wrapped]).get(sums[k]).f64x2RelaxedMadd().set(sums[k]);
  }
  carry(f, sums);
  storeAll(f, target, sums);
  return f;
}

/** sumDifference(sum, difference, a, b): not carried. */
function sumDifferenceBody(): FunctionBody {
  const f = new FunctionBody(4);
  const [sum, difference, a, b] = [0, 1, 2, 3];
  const [x, y] = locals(f, 2);
  for (let i = 0; i < LIMBS; i++) {
    f.get(a).load(16 * i).set(x).get(b).load(16 * i).set(y);
    f.get(sum).get(x).get(y).f64x2Add().store(16 * i);
    f.get(difference).get(x).get(y).f64x2Sub().store(16 * i);
  }
  return f;
}

/** addScaled(target, a, b): a + 121665 b. */
function addScaledBody(): FunctionBody {
  const f = new FunctionBody(3);
  const [target, a, b] = [0, 1, 2];
  const limbs = locals(f, LIMBS);
  limbs.forEach((limb, i) => {
    f.get(b).load(16 * i).i32Const(0).loadSplat64(A24_AT).get(a).load(16 * i).f64x2RelaxedMadd().set(limb);
  });
  carry(f, limbs);
  storeAll(f, target, limbs);
  return f;
}

/** swap(bit): exchanges (X2, Z2) and (X3, Z3) if the bit is 1, with the same memory accesses if it is 0. */
function swapBody(): FunctionBody {
  const f = new FunctionBody(1);
  const [mask, x, y, changed] = locals(f, 4);
  f.i32Const(0).get(0).i32Sub().i32x4Splat().set(mask);
  for (let offset = 0; offset < 2 * NUMBER_BYTES; offset += 16) {
    f.i32Const(0).load(X2 + offset).set(x).i32Const(0).load(X3 + offset).set(y);
    f.get(x).get(y).xor().get(mask).and().set(changed);
    f.i32Const(0).get(x).get(changed).xor().store(X2 + offset);
    f.i32Const(0).get(y).get(changed).xor().store(X3 + offset);
  }
  return f;
}

/** ladder(): the Montgomery ladder over the 255 bits at {@link SCALAR_AT} (RFC 7748, section 5). */
function ladderBody(): FunctionBody {
  const f = new FunctionBody(0);
  const [position, bit, before] = [f.local(I32), f.local(I32), f.local(I32)];
  const call = (index: number, ...numbers: number[]): void => {
    for (const address of numbers) f.i32Const(address);
    f.call(index);
  };
  f.i32Const(255).set(position).loop();
  f.get(position).i32Const(1).i32Sub().set(position);
  f.get(position).i32Const(3).i32ShrU().i32Load8U(SCALAR_AT);
  f.get(position).i32Const(7).i32And().i32ShrU().i32Const(1).i32And().set(bit);
  f.get(bit).get(before).i32Xor().call(SWAP).get(bit).set(before);
  call(SUM_DIFFERENCE, A, B, X2, Z2);
  call(SUM_DIFFERENCE, C, D, X3, Z3);
  call(SQUARE, AA, A);
  call(SQUARE, BB, B);
  call(MULTIPLY, DA, D, A);
  call(MULTIPLY, CB, C, B);
  call(SUM_DIFFERENCE, X3, Z3, DA, CB);
  call(SUM_DIFFERENCE, A, E, AA, BB);
  call(MULTIPLY, X2, AA, BB);
  call(ADD_SCALED, A, AA, E);
  call(SQUARE, X3, X3);
  call(SQUARE, Z3, Z3);
  call(MULTIPLY, Z2, E, A);
  call(MULTIPLY, Z3, X1, Z3);
  f.get(position).continueIf().end();
  f.get(before).call(SWAP);
  return f;
}

/** squareTimes(target, a, count): a^(2^count). */
function squareTimesBody(): FunctionBody {
  const f = new FunctionBody(3);
  const [target, a, count] = [0, 1, 2];
  f.loop().get(target).get(a).call(SQUARE).get(target).set(a);
  f.get(count).i32Const(1).i32Sub().tee(count).continueIf().end();
  return f;
}

interface Kernel {
  readonly memory: WebAssembly.Memory;
  readonly multiply: (target: number, a: number, b: number) => void;
  readonly ladder: () => void;
  readonly squareTimes: (target: number, a: number, count: number) => void;
}

function instantiate(): Kernel | undefined {
  const bodies = [
    multiplyBody(),
    squareBody(),
    sumDifferenceBody(),
    addScaledBody(),
    swapBody(),
    ladderBody(),
    squareTimesBody(),
  ];
  const parameters = [3, 2, 4, 3, 1, 0, 3];
  const code = assemble(1, bodies.map((body, i) => ({ name: NAMES[i], parameters: parameters[i], body })));
  if (!WebAssembly.validate(code)) return undefined; // no relaxed SIMD here
  const kernel = new WebAssembly.Instance(new WebAssembly.Module(code)).exports as unknown as Kernel;
  const constants = new Float64Array(kernel.memory.buffer);
  constants.set(CARRY_MAGIC, MAGIC_AT / 8);
  constants[FOLD_AT / 8] = FOLD;
  constants[A24_AT / 8] = A24;
  return kernel;
}

/** a at `a` to the power p - 2, into `target`, by 254 squarings and 11 products. */
function invert({ multiply, squareTimes }: Kernel, target: number, a: number): void {
  const [t0, t1, t2] = [AA, BB, DA];
  squareTimes(t0, a, 1); // 2
  squareTimes(t1, t0, 2);
  multiply(t1, a, t1); // 9
  multiply(t0, t0, t1); // 11
  squareTimes(t2, t0, 1);
  multiply(t1, t1, t2); // 2^5 - 1
  squareTimes(t2, t1, 5);
  multiply(t1, t2, t1); // 2^10 - 1
  squareTimes(t2, t1, 10);
  multiply(t2, t2, t1); // 2^20 - 1
  squareTimes(CB, t2, 20);
  multiply(t2, CB, t2); // 2^40 - 1
  squareTimes(t2, t2, 10);
  multiply(t1, t2, t1); // 2^50 - 1
  squareTimes(t2, t1, 50);
  multiply(t2, t2, t1); // 2^100 - 1
  squareTimes(CB, t2, 100);
  multiply(t2, CB, t2); // 2^200 - 1
  squareTimes(t2, t2, 50);
  multiply(t1, t2, t1); // 2^250 - 1
  squareTimes(t1, t1, 5);
  multiply(target, t1, t0); // 2^255 - 21
}

let kernel: Kernel | undefined | null = null;

/**
 * X25519 of one secret key with many canonical public keys, two at a time in the lanes of a WebAssembly SIMD kernel;
 * undefined where the machine lacks relaxed SIMD. No branch and no address depends on the secret key or what follows
 * from it, and the kernel's memory is wiped before the call returns.
 */
export function x25519Pairs(
  secretKey: Uint8Array,
  publicKeys: readonly Uint8Array[],
): Uint8Array[] | undefined {
  if (secretKey.length !== 32) throw new RangeError("an X25519 secret key has 32 bytes");
  if (kernel === null) kernel = instantiate();
  if (kernel === undefined) return undefined;
  const { memory } = kernel;
  const scalar = new Uint8Array(memory.buffer, SCALAR_AT, 32);
  scalar.set(secretKey);
  scalar[0] &= 248;
  scalar[31] = (scalar[31] & 127) | 64;
  const lane = (address: number, which: number) =>
    new Float64Array(memory.buffer, address + 8 * which, 2 * LIMBS - which);
  const secrets: Uint8Array[] = [];
  for (let first = 0; first < publicKeys.length; first += 2) {
    const pair = publicKeys.slice(first, first + 2);
    new Uint8Array(memory.buffer, X1, END - X1).fill(0);
    for (const point of [X1, X3]) pair.forEach((key, i) => writeLimbs(key, lane(point, i)));
    for (const one of [X2, Z3]) lane(one, 0).fill(1, 0, 2);
    kernel.ladder();
    invert(kernel, E, Z2);
    kernel.multiply(X2, X2, E);
    pair.forEach((_, i) => secrets.push(readLimbs(lane(X2, i))));
  }
  new Uint8Array(memory.buffer, WRAPPED_AT, END - WRAPPED_AT).fill(0);
  return secrets;
}
