import {
  chunkCount,
  type CryptoProvider,
  encodeRoundConfig,
  fullGraph,
  graphPermutation,
  nativeProvider,
  ringGraph,
  roundConfigHash,
  wasmEngine,
} from "../../src/secure_agg/mod.ts";
import {
  envelopeAad,
  envelopeKey,
  maskSeedCommitment,
  pairMaskKey,
  selfMaskKey,
} from "../../src/secure_agg/key_schedule.ts";
import { splitSecret } from "../../src/secure_agg/shamir.ts";
import { toWire } from "../../src/secure_agg/ring_vector.ts";
import { cohort, type DropPoint, runRound, testRandom } from "./_harness.ts";

/** Where the published vectors lie. */
export const VECTORS = new URL("../vectors/secure_agg/", import.meta.url);

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

const PROVENANCE = {
  source: "FedKIM, tests/secure_agg/write_vectors.ts",
  protocol: "SA1 version 1, docs/protocol.md",
  date: "2026-11-23",
  units: "hexadecimal bytes; indices and coordinates as numbers",
  byteSource:
    "named sources: ChaCha20 key stream (RFC 8439), key SHA-256(name), zero nonce, from block 0; every draw starts at a fresh 64-byte block",
};

interface RoundCase {
  readonly name: string;
  readonly n: number;
  readonly fields: Parameters<typeof cohort>[1];
  readonly drops: ReadonlyMap<number, DropPoint>;
}

const ROUNDS: readonly RoundCase[] = [
  { name: "strict_4_sites_one_late_drop", n: 4, fields: {}, drops: new Map([[3, "masked_input"]]) },
  {
    name: "default_5_sites_packed20",
    n: 5,
    fields: { profile: "default", ringBits: 20, wireForm: "packed20", nMin: 4, dimension: 21 },
    drops: new Map([[0, "share_keys"]]),
  },
];

/** One whole round: every message byte in the order in which it was sent. */
async function roundVector(round: RoundCase, provider: CryptoProvider): Promise<unknown> {
  const c = cohort(round.n, round.fields);
  const messages: { from: string; to: string; bytes: string }[] = [];
  const { server, clients } = await runRound(c, {
    drops: round.drops,
    client: () => ({ provider, engine: wasmEngine() }),
    server: { provider, engine: wasmEngine() },
    toClient: (bytes, i) => {
      messages.push({ from: "server", to: c.ids[i].id, bytes: hex(bytes) });
      return bytes;
    },
    toServer: (bytes, i) => {
      messages.push({ from: c.ids[i].id, to: "server", bytes: hex(bytes) });
      return [bytes];
    },
  });
  const { sum, survivors, transcript } = server.result!;
  return {
    ...PROVENANCE,
    drawOrder:
      "of a site: envelope secret 32, mask secret 32, b 32, coefficients of b, coefficients of the mask secret",
    config: hex(encodeRoundConfig(c.config)),
    configHash: hex(roundConfigHash(c.config, provider)),
    chunks: chunkCount(c.config),
    sites: c.ids.map(({ id, publicKey }, i) => ({
      id,
      identitySeedSource: `identity ${id}`,
      publicKey: hex(publicKey),
      secretSource: `client ${i}`,
      input: [...c.input(i)],
    })),
    drops: [...round.drops].map(([i, phase]) => ({ id: c.ids[i].id, before: phase })),
    sid: hex(clients.find((client) => client.sid !== undefined)!.sid!),
    messages,
    survivors,
    sum: [...sum],
    transcript: hex(transcript),
  };
}

/** Every derivation of the key schedule, sharing, graph and wire form from named sources. */
function primitivesVector(provider: CryptoProvider): unknown {
  const random = testRandom("primitives");
  const [sid, maskSeed, shared, maskKey] = [random(32), random(32), random(32), random(32)];
  const commitment = maskSeedCommitment(provider, sid, 3, maskSeed);
  const mask = new Uint32Array(20);
  const pair = pairMaskKey(provider, sid, shared, 9, 4);
  wasmEngine().apply(mask, [{ key: pair, negate: false }], 32);
  const shares = (t: number, n: number): string[] =>
    splitSecret(maskSeed, t, n, testRandom("coefficients")).map(hex);
  return {
    ...PROVENANCE,
    draws: "source `primitives`: sid, maskSeed, sharedSecret, maskKey",
    sid: hex(sid),
    maskSeed: hex(maskSeed),
    sharedSecret: hex(shared),
    maskKey: hex(maskKey),
    maskSeedCommitment_index3: hex(commitment),
    selfMaskKey_index3: hex(selfMaskKey(provider, sid, 3, maskSeed)),
    pairMaskKey_4_9: hex(pair),
    pairMask_4_9_coordinates_32_to_51: [...mask],
    envelopeKey_from3_to7: hex(envelopeKey(provider, sid, shared, 3, 7)),
    envelopeAad_from3_to7: hex(envelopeAad(sid, 3, 7, commitment, maskKey)),
    shares_gf256_t3_n5_of_maskSeed: shares(3, 5),
    shares_gf65536_t3_n256_of_maskSeed_first_and_last: [shares(3, 256)[0], shares(3, 256)[255]],
    graphPermutation_n12: [...graphPermutation(provider, sid, 12)],
    ring_n12_degree4_closed: Array.from({ length: 12 }, (_, i) => ringGraph(provider, sid, 12, 4).closed(i)),
    full_n3_closed: Array.from({ length: 3 }, (_, i) => fullGraph(3).closed(i)),
    packed20: {
      words: [703710, 74565, 1048575],
      bytes: hex(toWire("packed20", Uint32Array.of(703710, 74565, 1048575))),
    },
  };
}

/** All published files by name. */
export async function allVectors(provider: CryptoProvider = nativeProvider): Promise<Map<string, unknown>> {
  const files = new Map<string, unknown>([["primitives.json", primitivesVector(provider)]]);
  for (const round of ROUNDS) files.set(`${round.name}.json`, await roundVector(round, provider));
  return files;
}
