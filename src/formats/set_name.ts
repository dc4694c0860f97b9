/** What the name of the held-out patients of a set ends in. */
const HELD_OUT = ".held_out";

/** Names of populations in plans, ledgers and statements: sets, and the held-out patients of sets. */
export const POPULATION_NAME = /^[\w.-]{1,64}$/;

/** Names of sets: {@link heldOutName} is a population's name too, and no set is called like another one's held-out patients. */
export const SET_NAME: RegExp = /^(?!.*\.held_out$)\w[\w.-]{0,54}$/;

/** {@link SET_NAME} in words. */
export const SET_NAME_RULE =
  `1 to 55 letters, digits, _ . -, neither beginning with a dot or a dash nor ending in ${HELD_OUT}`;

/** Sets of one site at most. */
export const MOST_SETS = 64;

/** Populations of one site at most: its sets, and their held-out patients. */
export const MOST_POPULATIONS: number = 2 * MOST_SETS;

/** Name under which plans and ledgers know the held-out patients of a set. */
export function heldOutName(set: string): string {
  return set + HELD_OUT;
}
