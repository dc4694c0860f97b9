/** Products and inverses of public field elements. */
export interface PublicArithmetic {
  /** Product of two elements. */
  readonly multiply: (a: number, b: number) => number;
  /** Inverse of an element, not zero. */
  readonly inverse: (a: number) => number;
}

/**
 * Arithmetic in GF(2^bits) by logarithm tables. The addresses depend on the operands, so they must be public: share
 * coordinates and Lagrange coefficients are. The tables are made at first use.
 * @param next multiplies an element by a generator of the multiplicative group
 */
export function publicArithmetic(bits: number, next: (a: number) => number): PublicArithmetic {
  const order = 2 ** bits - 1;
  let exponential = new Uint16Array(0);
  let logarithm = new Uint16Array(0);
  const prepare = (): void => {
    exponential = new Uint16Array(2 * order);
    logarithm = new Uint16Array(order + 1);
    let power = 1;
    for (let i = 0; i < order; i++) {
      exponential[i] = exponential[i + order] = power;
      logarithm[power] = i;
      power = next(power);
    }
  };
  return {
    multiply: (a, b) => {
      if (exponential.length === 0) prepare();
      return a === 0 || b === 0 ? 0 : exponential[logarithm[a] + logarithm[b]];
    },
    inverse: (a) => {
      if (exponential.length === 0) prepare();
      return exponential[order - logarithm[a]];
    },
  };
}
