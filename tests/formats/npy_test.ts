import assert from "node:assert/strict";
import fc from "fast-check";
import { type NpyArray, parseNpyHeader, readNpy, writeNpy } from "../../src/formats/npy.ts";
import { sharedTest } from "../_shared.ts";

const arrays: fc.Arbitrary<NpyArray> = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.int16Array(),
  fc.int32Array(),
  fc.float32Array(),
  fc.float64Array(),
);

/** Replaces the header's text without changing its length. */
function withHeader(file: Uint8Array, change: (header: string) => string): Uint8Array {
  const length = file[8] | (file[9] << 8);
  const header = new TextDecoder("latin1").decode(file.subarray(10, 10 + length));
  const changed = change(header).slice(0, length).padEnd(length);
  const out = file.slice();
  out.set(new TextEncoder().encode(changed), 10);
  return out;
}

Deno.test("readNpy() gives back what writeNpy() wrote, for every element type", () => {
  fc.assert(fc.property(arrays, (data) => {
    const read = readNpy(writeNpy({ shape: [data.length, 1], data }), "a.npy");
    assert.deepEqual(read.shape, [data.length, 1]);
    assert.deepEqual(read.data, data);
  }));
});

Deno.test("writeNpy() writes the bytes that NumPy writes", () => {
  // numpy 2.4.6: np.save(f, np.array([[1, -2], [300, 4]], dtype="<i2"))
  const header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117) + "\n";
  const expected = [0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0, ...new TextEncoder().encode(header)];
  const file = writeNpy({ shape: [2, 2], data: Int16Array.of(1, -2, 300, 4) });
  assert.deepEqual([...file], [...expected, 1, 0, 254, 255, 44, 1, 4, 0]);
});

Deno.test("readNpy() refuses every truncation and every extension of a file", () => {
  const file = writeNpy({ shape: [3, 4], data: Float32Array.from({ length: 12 }, (_, i) => i) });
  for (let length = 0; length < file.length; length++) {
    assert.throws(() => readNpy(file.subarray(0, length), "cut.npy"), { code: "FormatError" });
  }
  assert.throws(() => readNpy(Uint8Array.from([...file, 0]), "long.npy"), { code: "FormatError" });
});

Deno.test("parseNpyHeader() refuses a header that promises ten gigabytes without allocating them", () => {
  const file = writeNpy({ shape: [4], data: Uint8Array.of(1, 2, 3, 4) });
  const bomb = withHeader(file, (header) => header.replace("(4,)", "(10000000000,)"));
  assert.throws(() => parseNpyHeader(bomb, bomb.length, "bomb.npy"), /10000000000/);
  const overflow = withHeader(file, (header) => header.replace("(4,)", "(9999999999, 9999999999)"));
  assert.throws(() => parseNpyHeader(overflow, overflow.length, "bomb.npy"), { code: "FormatError" });
});

Deno.test("readNpy() refuses Fortran order, big endian, objects and unknown versions", () => {
  const file = writeNpy({ shape: [2], data: Int16Array.of(1, 2) });
  const wrong = [
    withHeader(file, (header) => header.replace("False", "True")),
    withHeader(file, (header) => header.replace("<i2", ">i2")),
    withHeader(file, (header) => header.replace("<i2", "|O")),
    withHeader(file, (header) => header.replace("(2,)", "(-2,)")),
    Uint8Array.from(file, (byte, at) => (at === 6 ? 9 : byte)),
  ];
  for (const bytes of wrong) assert.throws(() => readNpy(bytes, "odd.npy"), { code: "FormatError" });
});

Deno.test("parseNpyHeader() never does anything but return or throw FormatError on damaged bytes", () => {
  const file = writeNpy({ shape: [2, 3], data: new Float64Array(6) });
  fc.assert(fc.property(fc.nat(file.length - 1), fc.nat(255), (at, byte) => {
    const damaged = file.slice();
    damaged[at] = byte;
    try {
      assert.equal(readNpy(damaged, "d.npy").data.byteLength <= file.length, true);
    } catch (error) {
      assert.equal((error as { code: string }).code, "FormatError");
    }
  }));
});

sharedTest("readNpy() reads an array written by NumPy", "data/federated/public/ecg/ecg.npy", async (path) => {
  const { shape, data } = readNpy(await Deno.readFile(path), path);
  assert.deepEqual(shape, [720, 1000, 1]);
  assert.ok(data instanceof Int16Array);
});
