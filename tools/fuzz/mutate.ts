import type { SeededRandom } from "../../src/tensor/seeded_random.ts";
import type { InputKind } from "./target.ts";

/** No input grows beyond this. */
export const LARGEST_INPUT = 1 << 16;

/** Numbers at the edges of integer and length fields. */
const EDGES = [
  0,
  1,
  2,
  7,
  8,
  127,
  128,
  255,
  256,
  32767,
  32768,
  65535,
  65536,
  0x7fffffff,
  0x80000000,
  0xffffffff,
];
/** Values that JSON readers forget. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  1e308,
  1e-320,
  2 ** 31,
  2 ** 53,
  -(2 ** 53) - 2,
  1e21,
  "",
  "0",
  "NaN",
  [],
  {},
  [null],
  [[]],
  { a: 1 },
  "\u0000",
  "\ud800",
  "x".repeat(300),
  "__proto__",
  "constructor",
  "toString",
  "../..",
];
/** Keys that object look-ups forget. */
const ODD_KEYS = ["__proto__", "constructor", "toString", "hasOwnProperty", "", "0", "length", "valueOf"];
/** Words of most text formats. */
const WORDS = [
  "\n",
  "\r\n",
  "\t",
  "\0",
  '"',
  "'",
  ",",
  ";",
  ":",
  "=",
  "[",
  "]",
  "{",
  "}",
  "-1",
  "1e999",
  "NaN",
  "\ufeff",
];

/** A changed copy of an input; `other` is a second input to take parts from. */
export function mutate(
  input: Uint8Array,
  other: Uint8Array,
  kind: InputKind,
  words: readonly string[],
  random: SeededRandom,
): Uint8Array {
  if (kind === "json" && random.next() < 0.7) {
    const changed = mutateJson(input, other, random);
    if (changed !== undefined) return changed;
  }
  let bytes: Uint8Array = input.slice();
  const changes = 1 + random.integer(random.next() < 0.2 ? 12 : 3);
  for (let i = 0; i < changes; i++) bytes = changeBytes(bytes, other, kind, words, random);
  return bytes.subarray(0, LARGEST_INPUT);
}

function changeBytes(
  bytes: Uint8Array,
  other: Uint8Array,
  kind: InputKind,
  words: readonly string[],
  random: SeededRandom,
): Uint8Array {
  const at = random.integer(bytes.length + 1);
  const length = Math.min(bytes.length - at, 1 + random.integer(random.next() < 0.3 ? 64 : 8));
  const cut = (put: Uint8Array, drop: number) =>
    concat(bytes.subarray(0, at), put, bytes.subarray(at + drop));
  switch (random.integer(kind === "bytes" ? 10 : 9)) {
    case 0:
      return at < bytes.length ? flip(bytes, at, random.integer(8)) : bytes;
    case 1:
      return at < bytes.length ? bytes.with(at, random.integer(256)) : bytes;
    case 2:
      return cut(new Uint8Array(0), length);
    case 3:
      return cut(Uint8Array.from({ length: 1 + random.integer(8) }, () => random.integer(256)), 0);
    case 4:
      return cut(bytes.slice(at, at + length), 0);
    case 5:
      return bytes.slice(0, at);
    case 6: {
      const from = random.integer(other.length + 1);
      return cut(other.slice(from, from + 1 + random.integer(64)), random.next() < 0.5 ? length : 0);
    }
    case 7: {
      const list = random.next() < 0.7 && words.length > 0 ? words : WORDS;
      return cut(
        new TextEncoder().encode(list[random.integer(list.length)]),
        random.next() < 0.5 ? length : 0,
      );
    }
    case 8:
      return digits(bytes, at, random);
    default:
      return edge(bytes, at, random);
  }
}

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  return bytes.with(at, bytes[at] ^ 1 << bit);
}

/** Writes an edge number over 1, 2, 4 or 8 bytes, little or big endian. */
function edge(bytes: Uint8Array, at: number, random: SeededRandom): Uint8Array {
  const width = 1 << random.integer(4);
  if (at + width > bytes.length) return bytes;
  const changed = bytes.slice();
  const little = random.next() < 0.7;
  let value = BigInt(EDGES[random.integer(EDGES.length)]);
  if (random.next() < 0.2) value = -value;
  for (let i = 0; i < width; i++) {
    changed[at + (little ? i : width - 1 - i)] = Number(BigInt.asUintN(8, value));
    value >>= 8n;
  }
  return changed;
}

/** Changes the number that stands at or after a place of a text. */
function digits(bytes: Uint8Array, at: number, random: SeededRandom): Uint8Array {
  const isDigit = (i: number) => bytes[i] >= 48 && bytes[i] <= 57;
  let start = at;
  while (start < bytes.length && !isDigit(start)) start++;
  let end = start;
  while (end < bytes.length && isDigit(end)) end++;
  if (start === bytes.length) return bytes;
  const values = [...EDGES, -1, 2 ** 53, 1e21, 1e-7, 0.5];
  const text = random.next() < 0.1 ? "9".repeat(400) : String(values[random.integer(values.length)]);
  return concat(bytes.subarray(0, start), new TextEncoder().encode(text), bytes.subarray(end));
}

/** Changes one node of a JSON tree; undefined where the input is no JSON. */
function mutateJson(input: Uint8Array, other: Uint8Array, random: SeededRandom): Uint8Array | undefined {
  const tree = parsed(input);
  if (tree === undefined) return undefined;
  const holder = { root: tree };
  for (let i = 0; i <= random.integer(3); i++) changeNode(holder, parsed(other), random);
  const text = JSON.stringify(holder.root);
  if (text === undefined) return undefined;
  // Two keys of one name and an own __proto__ cannot be made by JSON.stringify.
  const odd = random.next() < 0.05 ? text.replace(/"[^"\\]*":/, '"__proto__":') : text;
  return new TextEncoder().encode(random.next() < 0.03 ? `${odd} ${odd}` : odd);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** Every place of a tree, as a parent and a key. */
function places(parent: object): (readonly [Record<string, unknown>, string])[] {
  const found: (readonly [Record<string, unknown>, string])[] = [];
  const visit = (node: object, depth: number): void => {
    for (const [key, value] of Object.entries(node)) {
      found.push([node as Record<string, unknown>, key]);
      if (typeof value === "object" && value !== null && depth < 30 && found.length < 5000) {
        visit(value, depth + 1);
      }
    }
  };
  visit(parent, 0);
  return found;
}

function changeNode(holder: object, other: unknown, random: SeededRandom): void {
  const all = places(holder);
  const [node, key] = all[random.integer(all.length)];
  switch (random.integer(8)) {
    case 0:
      if (Array.isArray(node)) node.splice(Number(key), 1);
      else if (node !== holder) delete node[key];
      return;
    case 1:
      if (Array.isArray(node)) node.push(structuredClone(node[Number(key)]));
      else if (node !== holder) set(node, ODD_KEYS[random.integer(ODD_KEYS.length)], node[key]);
      return;
    case 2: {
      let deep: unknown = node[key];
      for (let i = random.integer(random.next() < 0.05 ? 500 : 6); i >= 0; i--) deep = [deep];
      set(node, key, deep);
      return;
    }
    case 3: {
      const from = typeof other === "object" && other !== null ? places({ other }) : all;
      const [parent, name] = from[random.integer(from.length)];
      set(node, key, structuredClone(parent[name]));
      return;
    }
    case 4:
      if (typeof node[key] === "number") set(node, key, oddNumber(node[key], random));
      else if (typeof node[key] === "string") set(node, key, oddText(node[key], random));
      return;
    case 5: {
      const [second, name] = all[random.integer(all.length)];
      if (second !== node) return;
      const value = node[key];
      set(node, key, node[name]);
      set(node, name, value);
      return;
    }
    default:
      set(node, key, structuredClone(ODD_VALUES[random.integer(ODD_VALUES.length)]));
  }
}

/** Sets an own property, also one of the name `__proto__`. */
function set(node: object, key: string, value: unknown): void {
  if (Array.isArray(node)) node[Number(key)] = value;
  else Object.defineProperty(node, key, { value, enumerable: true, writable: true, configurable: true });
}

function oddNumber(value: number, random: SeededRandom): number {
  const changes = [
    value + 1,
    value - 1,
    -value,
    value * 2,
    value / 2,
    value + 0.5,
    value * 1e9,
    1 / value,
    2 ** 32,
  ];
  return changes[random.integer(changes.length)];
}

function oddText(value: string, random: SeededRandom): string {
  const at = random.integer(value.length + 1);
  const changes = [
    value + value,
    value.slice(at),
    value.slice(0, at) + "\u0000" + value.slice(at),
    value.toUpperCase(),
  ];
  return changes[random.integer(changes.length)].slice(0, 2000);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
