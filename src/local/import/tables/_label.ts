import type { Label } from "../../dataset.ts";
import { badValue, type SourcePlace } from "../source_errors.ts";
import type { ColumnTask } from "./label_table.ts";

/** The label of a cell's text; null = not labelled. */
export function labelOf(task: ColumnTask, text: string | null, place: SourcePlace): Label | null {
  if (text === null) return null;
  let value: string | number | null = text;
  if (task.map !== undefined) {
    const mapped = Object.hasOwn(task.map, text) ? task.map[text] : task.otherwise;
    if (mapped === undefined) {
      throw bad(place, "a text that the map does not list", "an entry in map, or otherwise");
    }
    value = mapped;
  }
  if (value === null) return null;
  switch (task.type) {
    case "binary": {
      const known: Readonly<Record<string, number>> = {
        "0": 0,
        "1": 1,
        false: 0,
        true: 1,
        "0.0": 0,
        "1.0": 1,
      };
      const label = known[String(value).toLowerCase()];
      if (label === undefined) throw bad(place, "neither 0 nor 1", "0, 1, true or false, or a map");
      return label;
    }
    case "multiclass": {
      const classes = task.classes ?? [];
      const index = typeof value === "number" ? value : classes.indexOf(value);
      if (!Number.isInteger(index) || index < 0 || index >= classes.length) {
        throw bad(place, "no class of the task", `one of its ${classes.length} classes`);
      }
      return index;
    }
    case "regression": {
      const number = typeof value === "number" ? value : value.trim() === "" ? NaN : Number(value);
      if (!Number.isFinite(number)) throw bad(place, "no finite number", "a number");
      return number;
    }
    case "open":
      return String(value);
  }
}

function bad(place: SourcePlace, found: string, needed: string): Error {
  return badValue(place, found, needed);
}
