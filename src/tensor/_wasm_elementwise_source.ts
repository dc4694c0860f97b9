import { type Code, countUp, f32, f32x4, type FunctionSource, get, i32, set } from "./_wasm_assembler.ts";

/** The arithmetic of one binary operation, on vectors and on single floats. */
interface Operation {
  readonly name: "add" | "sub" | "mul" | "div";
  readonly vector: (a: Code, b: Code) => Code;
  readonly single: (a: Code, b: Code) => Code;
}

const OPERATIONS: readonly Operation[] = [
  { name: "add", vector: f32x4.add, single: f32.add },
  { name: "sub", vector: f32x4.sub, single: f32.sub },
  { name: "mul", vector: f32x4.mul, single: f32.mul },
  { name: "div", vector: f32x4.div, single: f32.div },
];

/** Which operand is one number for the whole run. */
export type Broadcast = "none" | "left" | "right";

/** Parameters: addresses of a, b and the result, and the number of elements; then a counter. */
const A = 0, B = 1, C = 2, COUNT = 3, INDEX = 4;

/** `add`, `sub`, `mul`, `div` on runs of elements, each also with one operand fixed (`add_left`, `add_right`). */
export function elementwiseSources(): FunctionSource[] {
  const variants: Broadcast[] = ["none", "left", "right"];
  return OPERATIONS.flatMap((operation) => variants.map((broadcast) => source(operation, broadcast)));
}

/** Name of a variant. */
export function elementwiseName(operation: Operation["name"], broadcast: Broadcast): string {
  return broadcast === "none" ? operation : `${operation}_${broadcast}`;
}

function source({ name, vector, single }: Operation, broadcast: Broadcast): FunctionSource {
  const left = broadcast === "left" ? f32x4.loadSplat(get(A)) : f32x4.load(get(A));
  const right = broadcast === "right" ? f32x4.loadSplat(get(B)) : f32x4.load(get(B));
  const advance = (bytes: number): Code[] => [
    ...(broadcast === "left" ? [] : [set(A, i32.add(get(A), i32.const(bytes)))]),
    ...(broadcast === "right" ? [] : [set(B, i32.add(get(B), i32.const(bytes)))]),
    set(C, i32.add(get(C), i32.const(bytes))),
  ];
  return {
    name: elementwiseName(name, broadcast),
    parameters: ["i32", "i32", "i32", "i32"],
    locals: ["i32"],
    body: [
      set(INDEX, i32.const(0)),
      countUp(INDEX, i32.sub(get(COUNT), i32.const(3)), i32.const(4), [
        f32x4.store(get(C), vector(left, right)),
        ...advance(16),
      ]),
      countUp(INDEX, get(COUNT), i32.const(1), [
        f32.store(get(C), single(f32.load(get(A)), f32.load(get(B)))),
        ...advance(4),
      ]),
    ],
  };
}
