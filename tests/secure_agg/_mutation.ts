/** A guard taken out of the source, and the test file that must turn red. */
export interface Mutation {
  /** Source file in `src/secure_agg`. */
  readonly file: string;
  /** Text of the guard; must occur exactly once. */
  readonly find: string;
  /** What it becomes. */
  readonly replace: string;
  /** Test file in `tests/secure_agg`. */
  readonly test: string;
  /** Name of the test, or its start. */
  readonly name: string;
}

/** An entry of the list. */
export function m(file: string, find: string, replace: string, test: string, name: string): Mutation {
  return { file, find, replace, test, name };
}
