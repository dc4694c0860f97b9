/**
 * Three numbers, one sum, nobody's number shown: every party masks its number, the server learns the total alone.
 * All parties run in this page to be looked at; in life each has a page of its own and a server passes the messages.
 */
import {
  enrolledHash,
  generateIdentity,
  makeRoundConfig,
  SecAggClient,
  SecAggServer,
} from "fedkim/secure_agg";

/**
 * The exact sum of some whole numbers from 0 to 1,000,000, by one round of secure aggregation.
 * @param {number[]} numbers one of each party, at least three
 * @returns {Promise<{sum: number, upload: string}>} the sum, and the first party's masked upload in hexadecimal
 */
export async function secureSum(numbers) {
  const identities = numbers.map((_, i) => generateIdentity(`party-${i + 1}`));
  const enrolled = new Map(identities.map(({ id, publicKey }) => [id, publicKey]));
  const nothing = new Uint8Array(32); // no model and no privacy plan belongs to this sum
  const config = makeRoundConfig({
    taskId: "numbers",
    roundId: 1,
    nMax: numbers.length,
    enrolledHash: enrolledHash(enrolled),
    modelHash: nothing,
    planHash: nothing,
    dimension: 1,
    chunkCoordinates: 16,
    coordinateBound: 1_000_000,
  });
  const server = new SecAggServer({ config, enrolled });
  const clients = identities.map((identity, i) =>
    new SecAggClient({ config, identity, enrolled, input: () => Uint32Array.of(numbers[i]) })
  );
  let upload = "";
  clients.forEach((client, i) => server.receive(identities[i].id, client.begin()));
  while (server.result === undefined) {
    await server.close();
    if (server.phase === "aborted") throw server.error;
    for (const [i, client] of clients.entries()) {
      const message = server.outboundFor(identities[i].id);
      if (message === undefined) continue;
      for (const answer of (await client.receive(message)).outbound) {
        if (i === 0 && server.phase === "masked_input") upload ||= hex(answer);
        server.receive(identities[i].id, answer);
      }
    }
  }
  return { sum: server.result.sum[0], upload };
}

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const form = document.querySelector("form");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const numbers = [...form.querySelectorAll("input")].map((input) => input.valueAsNumber);
  const { sum, upload } = await secureSum(numbers);
  document.querySelector("#sum").textContent = String(sum);
  document.querySelector("#upload").textContent = upload;
});
