import {
  decodeMessage,
  decodeRoundConfig,
  encodeMessage,
  encodeRoundConfig,
  IndexSet,
} from "../../../src/secure_agg/mod.ts";
import { fromHex, toHex } from "../../../src/formats/hex.ts";
import { type FuzzTarget, law, sameBytes, textOf, utf8 } from "../target.ts";

interface Transcript {
  readonly config: string;
  readonly messages: readonly { readonly bytes: string }[];
}

/** Whole rounds that are published for other implementations. */
async function transcripts(): Promise<Transcript[]> {
  const names = ["default_5_sites_packed20", "strict_4_sites_one_late_drop"];
  const folder = new URL("../../../tests/vectors/secure_agg/", import.meta.url);
  return await Promise.all(
    names.map(async (name) => JSON.parse(await Deno.readTextFile(new URL(`${name}.json`, folder)))),
  );
}

/** Messages and configurations of secure aggregation: their byte form is unique. */
export const SECURE_AGG_TARGETS: readonly FuzzTarget[] = [
  {
    name: "secure_agg_message",
    kind: "bytes",
    seeds: async () =>
      (await transcripts()).flatMap(({ messages }) => messages.map(({ bytes }) => fromHex(bytes)!))
        .filter((bytes, i, all) => all.findIndex((other) => other[3] === bytes[3]) === i),
    parse: (input) => sameBytes(encodeMessage(decodeMessage(input)), input),
  },
  {
    name: "secure_agg_config",
    kind: "bytes",
    seeds: async () => (await transcripts()).map(({ config }) => fromHex(config)!),
    parse: (input) => sameBytes(encodeRoundConfig(decodeRoundConfig(input)), input),
  },
  {
    name: "secure_agg_index_set",
    kind: "bytes",
    seeds: () => Promise.resolve([Uint8Array.of(0b1011), Uint8Array.of(255, 1)]),
    parse: (input) => {
      const size = 1 + (input[0] ?? 0) % 70;
      const set = IndexSet.fromBytes(size, input.subarray(1));
      law(!set.has(size) && !set.has(size + 7), "an index outside of the set's range");
      sameBytes(set.toBytes(), input.subarray(1));
    },
  },
  {
    name: "hex",
    kind: "text",
    seeds: () => Promise.resolve([utf8("00ff10ab"), utf8("")]),
    parse: (input) => {
      const text = textOf(input);
      const bytes = fromHex(text);
      law(
        bytes === undefined || toHex(bytes) === text.toLowerCase(),
        "hexadecimal text that is written otherwise",
      );
    },
  },
];
