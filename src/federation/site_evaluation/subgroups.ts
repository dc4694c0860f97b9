import { z } from "zod";

/**
 * One way to break results down, with levels that are fixed in the signed plan, so that nothing of a site's data decides
 * which groups there are. Whatever fits no level counts in a last one, `not stated`.
 */
export type SubgroupDimension =
  | {
    /** Name, e.g. `age`. */
    readonly name: string;
    /** Field of a record, a path with dots. */
    readonly field: string;
    /** A number falls into a band. */
    readonly kind: "bands";
    /** Where a new band begins, ascending. */
    readonly edges: readonly number[];
  }
  | {
    /** Name, e.g. `sex` or `unit`. */
    readonly name: string;
    /** Field of a record, a path with dots. */
    readonly field: string;
    /** A text or a number is one of some values. */
    readonly kind: "values";
    /** The values, as texts. */
    readonly values: readonly string[];
  };

const named = { name: z.string().regex(/^[a-z][a-z0-9_]{0,31}$/), field: z.string().min(1).max(200) };

/** Checks one dimension. */
export const SubgroupSchema: z.ZodType<SubgroupDimension> = z.discriminatedUnion("kind", [
  z.strictObject({
    ...named,
    kind: z.literal("bands"),
    edges: z.array(z.number()).min(1).max(20).refine(
      (edges) => edges.every((edge, i) => i === 0 || edge > edges[i - 1]),
      { message: "must rise" },
    ),
  }),
  z.strictObject({
    ...named,
    kind: z.literal("values"),
    values: z.array(z.string().min(1).max(64)).min(1).max(20).refine(
      (values) => new Set(values).size === values.length,
      { message: "must differ" },
    ),
  }),
]);

/** Values of a record's fields, by field; a field that is not there is null. */
export type RecordAttributes = ReadonlyMap<string, string | number | null>;

/** Names of a dimension's levels; the last one is that of everything else. */
export function levelsOf(dimension: SubgroupDimension): string[] {
  if (dimension.kind === "values") return [...dimension.values, "not stated"];
  const { edges } = dimension;
  const between = edges.slice(1).map((edge, i) => `${edges[i]} to below ${edge}`);
  return [`below ${edges[0]}`, ...between, `${edges[edges.length - 1]} and above`, "not stated"];
}

/** Number of the level that a record falls into. */
export function levelOf(dimension: SubgroupDimension, attributes: RecordAttributes): number {
  const value = attributes.get(dimension.field) ?? null;
  if (dimension.kind === "values") {
    const at = value === null ? -1 : dimension.values.indexOf(String(value));
    return at < 0 ? dimension.values.length : at;
  }
  const { edges } = dimension;
  if (typeof value !== "number" || !Number.isFinite(value)) return edges.length + 1;
  return edges.filter((edge) => value >= edge).length;
}
