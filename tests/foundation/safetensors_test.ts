import assert from "node:assert/strict";
import fc from "fast-check";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  encodeSafetensors,
  openSafetensors,
  readFloats,
  readIntegers,
  type TensorToWrite,
  writeSafetensors,
} from "../../src/formats/safetensors.ts";

const folder = await Deno.makeTempDir({ prefix: "fedkim-safetensors-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const isFormatError = (error: unknown): boolean =>
  error instanceof FedKimError && error.code === "FormatError";

async function refused(name: string, bytes: Uint8Array): Promise<void> {
  const path = `${folder}/${name}.safetensors`;
  await Deno.writeFile(path, bytes);
  await assert.rejects(() => openSafetensors(path), isFormatError, name);
}

function withHeader(header: string, data: number): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

Deno.test("safetensors: what is written in float32 and int32 is read back bit for bit", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.float({ noNaN: true }), { maxLength: 20 }),
      fc.array(fc.integer(), { maxLength: 20 }),
      async (numbers, counts) => {
        const path = `${folder}/round.safetensors`;
        const tensors = new Map<string, TensorToWrite>([
          ["a.b", { dtype: "F32", shape: [numbers.length], values: Float32Array.from(numbers) }],
          ["counts", { dtype: "I32", shape: [1, counts.length], values: Int32Array.from(counts) }],
        ]);
        await writeSafetensors(path, tensors, { format: "pt" });
        const archive = await openSafetensors(path);
        assert.deepEqual(archive.metadata, { format: "pt" });
        const [a, b] = [archive.tensors.get("a.b"), archive.tensors.get("counts")];
        assert.ok(a && b);
        assert.deepEqual(await readFloats(a), Float32Array.from(numbers));
        assert.deepEqual(await readIntegers(b), Int32Array.from(counts));
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test("safetensors: half precision rounds to nearest even", async () => {
  const path = `${folder}/half.safetensors`;
  const values = Float32Array.of(1, -2.5, 0.1, 65504, 1 + 2 ** -8, 1 + 3 * 2 ** -8, NaN);
  const shape = [values.length];
  await writeSafetensors(
    path,
    new Map([["h", { dtype: "F16", shape, values }], ["b", { dtype: "BF16", shape, values }]]),
  );
  const { tensors } = await openSafetensors(path);
  const half = await readFloats(tensors.get("h")!);
  const brain = await readFloats(tensors.get("b")!);
  assert.deepEqual([...half.subarray(0, 4)], [1, -2.5, 0.0999755859375, 65504]);
  assert.deepEqual([...brain.subarray(0, 6)], [1, -2.5, 0.10009765625, 65536, 1, 1 + 2 ** -6]);
  assert.ok(Number.isNaN(half[6]) && Number.isNaN(brain[6]));
});

Deno.test("safetensors: every truncation of a valid file is refused", async () => {
  const bytes = encodeSafetensors(
    new Map([["x", { dtype: "F32", shape: [3], values: Float32Array.of(1, 2, 3) }]]),
  );
  for (let length = 0; length < bytes.length; length++) await refused("truncated", bytes.subarray(0, length));
});

Deno.test("safetensors: lying headers are refused", async () => {
  const x = (fields: string): string => `{"x":{${fields}}}`;
  await refused("too long", withHeader(x(`"dtype":"F32","shape":[1],"data_offsets":[0,4]`), 5));
  await refused("dtype", withHeader(x(`"dtype":"F7","shape":[1],"data_offsets":[0,4]`), 4));
  await refused("inherited dtype", withHeader(x(`"dtype":"toString","shape":[1],"data_offsets":[0,4]`), 4));
  await refused("size", withHeader(x(`"dtype":"F32","shape":[2],"data_offsets":[0,4]`), 4));
  await refused("negative", withHeader(x(`"dtype":"F32","shape":[-1],"data_offsets":[0,4]`), 4));
  await refused("reversed", withHeader(x(`"dtype":"F32","shape":[1],"data_offsets":[4,0]`), 4));
  await refused("outside", withHeader(x(`"dtype":"F32","shape":[1],"data_offsets":[4,8]`), 4));
  await refused("hole", withHeader(x(`"dtype":"U8","shape":[1],"data_offsets":[3,4]`), 4));
  await refused("not an object", withHeader("[]", 0));
  await refused("not JSON", withHeader("{", 0));
  await refused("metadata", withHeader(`{"__metadata__":{"a":1}}`, 0));
  const overlap =
    `{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`;
  await refused("overlap", withHeader(overlap, 3));
  const huge = new Uint8Array(8).fill(0xff);
  await refused("huge header", huge);
});

Deno.test("safetensors: an index may only name files beside it, and every tensor must be there", async () => {
  const path = `${folder}/model.safetensors.index.json`;
  const tensors = new Map<string, TensorToWrite>([["x", {
    dtype: "F32",
    shape: [1],
    values: Float32Array.of(7),
  }]]);
  await writeSafetensors(`${folder}/shard-1.safetensors`, tensors);
  const open = async (map: unknown): Promise<unknown> => {
    await Deno.writeTextFile(path, JSON.stringify({ weight_map: map }));
    return await openSafetensors(path);
  };
  await open({ x: "shard-1.safetensors" });
  for (
    const map of [
      { x: "../shard-1.safetensors" },
      { x: "/etc/passwd" },
      { x: 3 },
      { y: "shard-1.safetensors" },
      { x: "none" },
      null,
    ]
  ) {
    await assert.rejects(() => open(map), isFormatError, JSON.stringify(map));
  }
});

Deno.test("safetensors: a shape that does not fit its values is not written", () => {
  const wrong: TensorToWrite = { dtype: "F32", shape: [2, 2], values: new Float32Array(3) };
  assert.throws(() => encodeSafetensors(new Map([["x", wrong]])), isFormatError);
});
