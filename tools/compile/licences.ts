/**
 * Licences whose code may be delivered inside a program under Apache-2.0: permissive ones that ask for no more than
 * their own text and notices.
 */
export const COMPATIBLE: readonly string[] = [
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Python-2.0",
  "Unlicense",
  "Zlib",
];

/** Licences of tools that tests use, which are not delivered: file-level copyleft besides the compatible ones. */
export const USABLE_IN_TESTS: readonly string[] = [...COMPATIBLE, "MPL-2.0"];

/**
 * Whether an SPDX expression of names, AND, OR and brackets lets us deliver the code: all of an AND, one of an OR.
 *
 * @param expression the expression
 * @param allowed the names that will do
 * @throws Error for an expression that cannot be read
 */
export function isCompatible(expression: string, allowed: readonly string[] = COMPATIBLE): boolean {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const any = (): boolean => {
    let result = all();
    while (tokens[at] === "OR") {
      at++;
      const next = all();
      result ||= next;
    }
    return result;
  };
  const all = (): boolean => {
    let result = one();
    while (tokens[at] === "AND") {
      at++;
      const next = one();
      result &&= next;
    }
    return result;
  };
  const one = (): boolean => {
    const token = tokens[at++];
    if (token === undefined || /^(\)|AND|OR)$/.test(token)) throw unreadable(expression);
    if (token !== "(") return allowed.includes(token);
    const result = any();
    if (tokens[at++] !== ")") throw unreadable(expression);
    return result;
  };
  const result = any();
  if (at !== tokens.length) throw unreadable(expression);
  return result;
}

const unreadable = (expression: string): Error =>
  new Error(`the licence expression ${JSON.stringify(expression)} cannot be read`);
