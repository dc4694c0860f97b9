import { FedKimError } from "../../src/formats/errors.ts";

/** How often a database that does not answer is asked. */
const TRIES = 20;

/** Does what needs the database, again where a loaded machine did not let it answer in time. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await work();
    } catch (error) {
      const away = error instanceof FedKimError && error.details.reason === "unreachable";
      if (!away || attempt === TRIES) throw error;
    }
  }
}
