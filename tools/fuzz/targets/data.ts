import { loadDataset } from "../../../src/local/mod.ts";
import { inspectDataset } from "../../../src/local/import/mod.ts";

import { type FuzzTarget, jsonBytes, law, utf8 } from "../target.ts";
import { MANIFEST } from "./formats.ts";
import { asFile, scratch } from "./scratch.ts";

const RECORD = {
  id: "1",
  patient: "p",
  labs: [1, 2.5],
  vitals: [[80], [null]],
  note: "text",
  labels: { shock: 1 },
};

/** Dataset folders, and the files of a finished run. */
export const DATA_TARGETS: readonly FuzzTarget[] = [
  {
    name: "records",
    kind: "json",
    seeds: () => {
      asFile("dataset.json", jsonBytes(MANIFEST));
      return Promise.resolve([
        jsonBytes(RECORD),
        utf8(`${JSON.stringify(RECORD)}\n${JSON.stringify({ ...RECORD, id: "2" })}\n`),
      ]);
    },
    parse: async (input) => {
      asFile("records.jsonl", input);
      const { records } = await loadDataset(scratch());
      for (const { values } of records) {
        for (const value of values.values()) {
          if (value === null || value.kind === "text") continue;
          law(value.data.every((x) => !(Math.abs(x) === Infinity)), "an infinite value");
        }
      }
    },
  },
  {
    name: "dataset_folder",
    kind: "json",
    seeds: () => {
      asFile("records.jsonl", utf8(JSON.stringify(RECORD) + "\n"));
      return Promise.resolve([jsonBytes(MANIFEST)]);
    },
    parse: async (input) => {
      asFile("records.jsonl", utf8(JSON.stringify(RECORD) + "\n"));
      asFile("dataset.json", input);
      await inspectDataset(scratch());
    },
  },
];
