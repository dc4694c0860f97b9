import {
  type Code,
  countUp,
  f32,
  f32x4,
  type FunctionSource,
  get,
  i32,
  i32x4,
  set,
} from "./_wasm_assembler.ts";

/**
 * Kernels over rows of C floats, C a multiple of four: RMS normalisation, SwiGLU, causal softmax and AdamW.
 * Addresses and byte counts are parameters; every loop moves by one vector.
 */
export function rowSources(): FunctionSource[] {
  return [
    rmsNormForward(),
    rmsNormBackward(),
    swigluForward(),
    swigluBackward(),
    softmaxForward(),
    softmaxBackward(),
    rotate(),
    adamw(),
  ];
}

/** Sum of the four lanes. */
function lanesSum(vector: Code): Code {
  const lane = (index: number): Code => f32x4.lane(vector, index);
  return f32.add(f32.add(lane(0), lane(1)), f32.add(lane(2), lane(3)));
}

/** address + offset, both locals. */
function at(address: number, offset: number): Code {
  return i32.add(get(address), get(offset));
}

const next16 = i32.const(16);

/**
 * e^x to about 2e-7 relative: x = n ln 2 + r, a polynomial for e^r (Cephes expf), and 2^n by exponent bits.
 * Needs three vector locals; the result is left in `result`.
 */
function exponential(x: Code, result: number, n: number, r: number): Code[] {
  const coefficients = [
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    0.5,
  ];
  const polynomial = coefficients.slice(1).reduce(
    (sum, coefficient) => f32x4.add(f32x4.mul(sum, get(r)), f32x4.const(coefficient)),
    f32x4.const(coefficients[0]),
  );
  const clamped = f32x4.min(f32x4.max(x, f32x4.const(-87)), f32x4.const(88));
  return [
    set(r, clamped),
    set(n, f32x4.nearest(f32x4.mul(get(r), f32x4.const(1.44269504088896341)))),
    set(r, f32x4.sub(get(r), f32x4.mul(get(n), f32x4.const(0.693359375)))),
    set(r, f32x4.add(get(r), f32x4.mul(get(n), f32x4.const(2.12194440e-4)))),
    set(
      result,
      f32x4.add(f32x4.mul(f32x4.mul(polynomial, get(r)), get(r)), f32x4.add(get(r), f32x4.const(1))),
    ),
    set(
      result,
      f32x4.mul(get(result), i32x4.shiftLeft(i32x4.add(i32x4.fromFloat(get(n)), i32x4.const(127)), 23)),
    ),
  ];
}

/** rms_norm_forward(x, gamma, y, inverse, rows, rowBytes, epsilon): also stores 1 / rms of every row. */
function rmsNormForward(): FunctionSource {
  const [x, gamma, y, inverse, rows, bytes, epsilon, row, k, scale, sum] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const elements: Code = [...get(bytes), 0xb2];
  return {
    name: "rms_norm_forward",
    parameters: ["i32", "i32", "i32", "i32", "i32", "i32", "f32"],
    locals: ["i32", "i32", "f32", "v128"],
    body: [
      set(row, i32.const(0)),
      countUp(row, get(rows), i32.const(1), [
        set(sum, f32x4.const(0)),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          set(sum, f32x4.add(get(sum), f32x4.mul(f32x4.load(at(x, k)), f32x4.load(at(x, k))))),
        ]),
        set(
          scale,
          f32.div(
            f32.const(1),
            f32.sqrt(f32.add(f32.div(f32.mul(lanesSum(get(sum)), f32.const(4)), elements), get(epsilon))),
          ),
        ),
        f32.store(get(inverse), get(scale)),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          f32x4.store(
            at(y, k),
            f32x4.mul(f32x4.mul(f32x4.load(at(x, k)), f32x4.splat(get(scale))), f32x4.load(at(gamma, k))),
          ),
        ]),
        set(x, i32.add(get(x), get(bytes))),
        set(y, i32.add(get(y), get(bytes))),
        set(inverse, i32.add(get(inverse), i32.const(4))),
      ]),
    ],
  };
}

/** rms_norm_backward(x, gamma, inverse, dy, dx, rows, rowBytes): dx = i (g dy) - x i^3 mean(x g dy). */
function rmsNormBackward(): FunctionSource {
  const [x, gamma, inverse, dy, dx, rows, bytes, row, k, scale, factor, sum] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
  ];
  const elements: Code = [...get(bytes), 0xb2];
  const weighted = f32x4.mul(f32x4.load(at(dy, k)), f32x4.load(at(gamma, k)));
  const cubed = f32.mul(get(scale), f32.mul(get(scale), get(scale)));
  return {
    name: "rms_norm_backward",
    parameters: ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    locals: ["i32", "i32", "f32", "f32", "v128"],
    body: [
      set(row, i32.const(0)),
      countUp(row, get(rows), i32.const(1), [
        set(sum, f32x4.const(0)),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          set(sum, f32x4.add(get(sum), f32x4.mul(f32x4.load(at(x, k)), weighted))),
        ]),
        set(scale, f32.load(get(inverse))),
        set(factor, f32.mul(cubed, f32.div(f32.mul(lanesSum(get(sum)), f32.const(4)), elements))),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          f32x4.store(
            at(dx, k),
            f32x4.sub(
              f32x4.mul(weighted, f32x4.splat(get(scale))),
              f32x4.mul(f32x4.load(at(x, k)), f32x4.splat(get(factor))),
            ),
          ),
        ]),
        set(x, i32.add(get(x), get(bytes))),
        set(dy, i32.add(get(dy), get(bytes))),
        set(dx, i32.add(get(dx), get(bytes))),
        set(inverse, i32.add(get(inverse), i32.const(4))),
      ]),
    ],
  };
}

/** Sigmoid of the gate at offset k, into `s`. */
function sigmoid(gate: number, k: number, s: number, n: number, r: number): Code[] {
  return [
    ...exponential(f32x4.sub(f32x4.const(0), f32x4.load(at(gate, k))), s, n, r),
    set(s, f32x4.div(f32x4.const(1), f32x4.add(f32x4.const(1), get(s)))),
  ];
}

/** swiglu_forward(gate, up, y, bytes): y = gate sigmoid(gate) up. */
function swigluForward(): FunctionSource {
  const [gate, up, y, bytes, k, s, n, r] = [0, 1, 2, 3, 4, 5, 6, 7];
  return {
    name: "swiglu_forward",
    parameters: ["i32", "i32", "i32", "i32"],
    locals: ["i32", "v128", "v128", "v128"],
    body: [
      set(k, i32.const(0)),
      countUp(k, get(bytes), next16, [
        ...sigmoid(gate, k, s, n, r),
        f32x4.store(at(y, k), f32x4.mul(f32x4.mul(f32x4.load(at(gate, k)), get(s)), f32x4.load(at(up, k)))),
      ]),
    ],
  };
}

/** swiglu_backward(gate, up, dy, dgate, dup, bytes). */
function swigluBackward(): FunctionSource {
  const [gate, up, dy, dgate, dup, bytes, k, s, n, r] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const g = f32x4.load(at(gate, k));
  const slope = f32x4.mul(
    get(s),
    f32x4.add(f32x4.const(1), f32x4.mul(g, f32x4.sub(f32x4.const(1), get(s)))),
  );
  return {
    name: "swiglu_backward",
    parameters: ["i32", "i32", "i32", "i32", "i32", "i32"],
    locals: ["i32", "v128", "v128", "v128"],
    body: [
      set(k, i32.const(0)),
      countUp(k, get(bytes), next16, [
        ...sigmoid(gate, k, s, n, r),
        f32x4.store(at(dup, k), f32x4.mul(f32x4.load(at(dy, k)), f32x4.mul(g, get(s)))),
        f32x4.store(at(dgate, k), f32x4.mul(f32x4.mul(f32x4.load(at(dy, k)), f32x4.load(at(up, k))), slope)),
      ]),
    ],
  };
}

/**
 * softmax_forward(scores, mask, rows, rowBytes, scale): in place. The mask is added after scaling; padding columns
 * carry a large negative mask.
 */
function softmaxForward(): FunctionSource {
  const [scores, mask, rows, bytes, scale, row, k, top, v, n, r, sum] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
  ];
  const lane = (index: number): Code => f32x4.lane(get(sum), index);
  const scaled = f32x4.add(
    f32x4.mul(f32x4.load(at(scores, k)), f32x4.splat(get(scale))),
    f32x4.load(at(mask, k)),
  );
  return {
    name: "softmax_forward",
    parameters: ["i32", "i32", "i32", "i32", "f32"],
    locals: ["i32", "i32", "f32", "v128", "v128", "v128", "v128"],
    body: [
      set(row, i32.const(0)),
      countUp(row, get(rows), i32.const(1), [
        set(sum, f32x4.const(-3e38)),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          set(v, scaled),
          f32x4.store(at(scores, k), get(v)),
          set(sum, f32x4.max(get(sum), get(v))),
        ]),
        set(top, f32.max(f32.max(lane(0), lane(1)), f32.max(lane(2), lane(3)))),
        set(sum, f32x4.const(0)),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          ...exponential(f32x4.sub(f32x4.load(at(scores, k)), f32x4.splat(get(top))), v, n, r),
          f32x4.store(at(scores, k), get(v)),
          set(sum, f32x4.add(get(sum), get(v))),
        ]),
        set(top, f32.div(f32.const(1), lanesSum(get(sum)))),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          f32x4.store(at(scores, k), f32x4.mul(f32x4.load(at(scores, k)), f32x4.splat(get(top)))),
        ]),
        set(scores, i32.add(get(scores), get(bytes))),
        set(mask, i32.add(get(mask), get(bytes))),
      ]),
    ],
  };
}

/** softmax_backward(p, dp, rows, rowBytes, scale): dp becomes scale * p (dp - sum(p dp)). */
function softmaxBackward(): FunctionSource {
  const [p, dp, rows, bytes, scale, row, k, total, sum] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  return {
    name: "softmax_backward",
    parameters: ["i32", "i32", "i32", "i32", "f32"],
    locals: ["i32", "i32", "f32", "v128"],
    body: [
      set(row, i32.const(0)),
      countUp(row, get(rows), i32.const(1), [
        set(sum, f32x4.const(0)),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          set(sum, f32x4.add(get(sum), f32x4.mul(f32x4.load(at(p, k)), f32x4.load(at(dp, k))))),
        ]),
        set(total, lanesSum(get(sum))),
        set(k, i32.const(0)),
        countUp(k, get(bytes), next16, [
          f32x4.store(
            at(dp, k),
            f32x4.mul(
              f32x4.mul(f32x4.load(at(p, k)), f32x4.splat(get(scale))),
              f32x4.sub(f32x4.load(at(dp, k)), f32x4.splat(get(total))),
            ),
          ),
        ]),
        set(p, i32.add(get(p), get(bytes))),
        set(dp, i32.add(get(dp), get(bytes))),
      ]),
    ],
  };
}

/** rotate(x, y, cos, sin, heads, halfBytes, sign): rotates the heads of one token by sign * angle. */
function rotate(): FunctionSource {
  const [x, y, cos, sin, heads, half, sign, head, k, a, b, s] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  const second = (address: number): Code => i32.add(at(address, k), get(half));
  return {
    name: "rotate",
    parameters: ["i32", "i32", "i32", "i32", "i32", "i32", "f32"],
    locals: ["i32", "i32", "v128", "v128", "v128"],
    body: [
      set(head, i32.const(0)),
      countUp(head, get(heads), i32.const(1), [
        set(k, i32.const(0)),
        countUp(k, get(half), next16, [
          set(a, f32x4.load(at(x, k))),
          set(b, f32x4.load(second(x))),
          set(s, f32x4.mul(f32x4.load(at(sin, k)), f32x4.splat(get(sign)))),
          f32x4.store(
            at(y, k),
            f32x4.sub(f32x4.mul(get(a), f32x4.load(at(cos, k))), f32x4.mul(get(b), get(s))),
          ),
          f32x4.store(
            second(y),
            f32x4.add(f32x4.mul(get(b), f32x4.load(at(cos, k))), f32x4.mul(get(a), get(s))),
          ),
        ]),
        set(x, i32.add(get(x), i32.add(get(half), get(half)))),
        set(y, i32.add(get(y), i32.add(get(half), get(half)))),
      ]),
    ],
  };
}

/**
 * adamw(w, g, m, v, w', m', v', bytes, gradientScale, beta1, beta2, rate, correction2, epsilon, kept): one update of
 * a run of weights; `rate` includes the first moment's correction, `kept` is 1 - learningRate * weightDecay.
 */
function adamw(): FunctionSource {
  const [w, g, m, v, w2, m2, v2, bytes, gradientScale, beta1, beta2, rate, correction2, epsilon, kept] =
    Array(15).keys();
  const [k, gradient, first, second] = [15, 16, 17, 18];
  const mix = (old: number, beta: number, fresh: Code): Code =>
    f32x4.add(
      f32x4.mul(f32x4.load(at(old, k)), f32x4.splat(get(beta))),
      f32x4.mul(fresh, f32x4.splat(f32.sub(f32.const(1), get(beta)))),
    );
  const root = f32x4.add(
    f32x4.sqrt(f32x4.div(get(second), f32x4.splat(get(correction2)))),
    f32x4.splat(get(epsilon)),
  );
  return {
    name: "adamw",
    parameters: [...Array<"i32">(8).fill("i32"), ...Array<"f32">(7).fill("f32")],
    locals: ["i32", "v128", "v128", "v128"],
    body: [
      set(k, i32.const(0)),
      countUp(k, get(bytes), next16, [
        set(gradient, f32x4.mul(f32x4.load(at(g, k)), f32x4.splat(get(gradientScale)))),
        set(first, mix(m, beta1, get(gradient))),
        set(second, mix(v, beta2, f32x4.mul(get(gradient), get(gradient)))),
        f32x4.store(at(m2, k), get(first)),
        f32x4.store(at(v2, k), get(second)),
        f32x4.store(
          at(w2, k),
          f32x4.sub(
            f32x4.mul(f32x4.load(at(w, k)), f32x4.splat(get(kept))),
            f32x4.div(f32x4.mul(get(first), f32x4.splat(get(rate))), root),
          ),
        ),
      ]),
    ],
  };
}
