import assert from "node:assert/strict";
import { decodeImage, importDataset, resize } from "../../src/local/import/mod.ts";
import { type ImageValue, loadDataset } from "../../src/local/mod.ts";
import { writeNpy } from "../../src/formats/npy.ts";
import { fixture, inFolder, refuses, SET, taskText, throwsTyped, total } from "./_helpers.ts";

/** File, mean luma over 53 x 37 pixels and the first six of row 5, by Pillow 13.0.0. */
const PILLOW: readonly (readonly [string, number, readonly number[]])[] = [
  ["g8.png", 133.603, [10, 14, 18, 22, 26, 30]],
  ["g16.png", 133.603, [10, 14, 18, 22, 26, 30]],
  ["rgb8.png", 123.856, [146.8, 146.2, 145.6, 145.1, 144.5, 143.9]],
  ["pal4.png", 123.557, [151.2, 151.2, 151.2, 151.2, 141.3, 141.3]],
  ["bit1.png", 134.327, [0, 0, 0, 0, 0, 0]],
  ["rgb.jpg", 123.853, [147.2, 146.1, 144.6, 144.7, 145, 144.1]],
  ["prog.jpg", 123.853, [147.2, 146.1, 144.6, 144.7, 145, 144.1]],
];

for (const [name, mean, row] of PILLOW) {
  Deno.test(`${name}, written by Pillow, decodes to Pillow's pixels`, async () => {
    const { height, width, data } = await decodeImage(await Deno.readFile(fixture(name)), name);
    assert.deepEqual([height, width], [37, 53]);
    assert.ok(Math.abs(total(data) / data.length - mean) < 0.1);
    row.forEach((value, i) =>
      assert.ok(Math.abs(data[5 * 53 + i] - value) <= 0.6, `${data[5 * 53 + i]} for ${value}`)
    );
  });
}

Deno.test("an array that NumPy wrote is read as it wrote it; another element type is refused by name", async () => {
  const { height, width, data } = await decodeImage(await Deno.readFile(fixture("numpy8.npy")), "numpy8.npy");
  assert.deepEqual([height, width], [37, 53]);
  assert.deepEqual([...data], Array.from(data, (_, i) => (5 * Math.floor(i / 53) + 3 * (i % 53)) % 256));
  const other = await Deno.readFile(fixture("numpy16.npy"));
  await throwsTyped(() => decodeImage(other, "numpy16.npy"), "FormatError", "numpy16.npy", "<u2");
});

Deno.test("images that are cut short, changed, too large or of another kind are refused by name", async () => {
  const attempt = async (
    name: string,
    edit: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
    ...texts: string[]
  ) => {
    const bytes = edit(await Deno.readFile(fixture(name)));
    await throwsTyped(() => decodeImage(bytes, name, { pixels: 1_000_000 }), "FormatError", name, ...texts);
  };
  const size = (offset: number, bytes: number) => (file: Uint8Array<ArrayBuffer>) => {
    const copy = file.slice();
    copy.fill(0x7f, offset, offset + bytes);
    return copy;
  };
  await attempt("rgb8.png", (bytes) => bytes.slice(0, 300));
  await attempt("rgb8.png", size(100, 4));
  await attempt("rgb8.png", size(17, 3), "pixels");
  await attempt("rgb.jpg", (bytes) => bytes.slice(0, 900), "no end of image");
  await attempt("rgb.jpg", (bytes) => bytes.slice(0, 100));
  await attempt("cmyk.jpg", (bytes) => bytes, "4 components");
  await attempt("rgb.jpg", (bytes) => bytes.subarray(2), "another kind");
  const header = (await Deno.readFile(fixture("rgb.jpg"))).indexOf(0xc0);
  await attempt("rgb.jpg", size(header + 4, 4), "32639");
});

Deno.test("a PNG bomb is refused by what its header implies, and a profile is never inflated", async () => {
  const stream = new Blob([new Uint8Array(32 << 20)]).stream().pipeThrough(new CompressionStream("deflate"));
  const bomb = new Uint8Array(await new Response(stream).arrayBuffer());
  const source = await Deno.readFile(fixture("g8.png"));
  const view = new DataView(source.buffer);
  let at = 33;
  while (view.getUint32(at + 4) !== 0x49444154) at += 12 + view.getUint32(at);
  const chunk = (type: string, data: Uint8Array): Uint8Array => {
    const out = new Uint8Array(data.length + 12);
    new DataView(out.buffer).setUint32(0, data.length);
    out.set(new TextEncoder().encode(type), 4);
    out.set(data, 8);
    return out;
  };
  const join = async (...parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> =>
    new Uint8Array(await new Blob(parts.map((part) => part.slice())).arrayBuffer());
  const tail = source.subarray(at + 12 + view.getUint32(at));
  await throwsTyped(
    async () => decodeImage(await join(source.subarray(0, at), chunk("IDAT", bomb), tail), "bomb.png"),
    "FormatError",
    "bomb.png",
    "after inflation",
  );
  const profile = chunk("iCCP", await join(new TextEncoder().encode("x\0\0"), bomb));
  const { data } = await decodeImage(
    await join(source.subarray(0, 33), profile, source.subarray(33)),
    "profile.png",
  );
  assert.equal(data[5 * 53 + 1], 14);
});

Deno.test("resize() keeps means, aspect ratios and constant images", () => {
  const gradient = { height: 40, width: 80, data: Uint8Array.from({ length: 3200 }, (_, i) => i % 80) };
  const half = resize(gradient, { height: 20, width: 40, fit: "stretch" });
  assert.deepEqual([...half.data.subarray(0, 4)], [1, 3, 5, 7]);
  const padded = resize(gradient, { height: 20, width: 20, fit: "pad" });
  const rows = Array.from({ length: 20 }, (_, y) => total(padded.data.subarray(y * 20, y * 20 + 20)));
  assert.deepEqual(rows.map((sum) => sum > 0), Array.from({ length: 20 }, (_, y) => y >= 5 && y < 15));
  const cropped = resize(gradient, { height: 20, width: 20, fit: "crop" });
  assert.deepEqual([cropped.data[0], cropped.data[19]], [21, 59]);
  const flat = { height: 7, width: 5, data: new Uint8Array(35).fill(93) };
  for (const size of [3, 7, 50]) {
    assert.ok(
      resize(flat, { height: size, width: size, fit: "stretch" }).data.every((value) => value === 93),
    );
  }
});

Deno.test("importImages() turns PNG, JPEG and NPY files and a table into a dataset", () =>
  inFolder(async (dir) => {
    await Deno.copyFile(fixture("g8.png"), `${dir}/a.png`);
    await Deno.copyFile(fixture("rgb.jpg"), `${dir}/b.jpg`);
    await Deno.writeFile(`${dir}/c.npy`, writeNpy({ shape: [4, 4], data: new Uint8Array(16).fill(9) }));
    await Deno.writeTextFile(`${dir}/t.csv`, "path,who,kind\na.png,p1,left\nb.jpg,p2,right\nc.npy,p1,\n");
    await Deno.writeTextFile(
      `${dir}/m.toml`,
      `format = "fedkim-import-images/1"
name = "set"
licence = "test"
privacyUnit = "patient"
patientColumn = "who"
size = { height = 16, width = 16, fit = "stretch" }
table = { file = "t.csv", key = "path" }
[[tasks]]
name = "side"
type = "multiclass"
classes = ["left", "right"]
column = "kind"
question = "?"
description = "d"
modalities = ["image"]
modalityDescription = "m"
`,
    );
    await importDataset({ mappingFile: `${dir}/m.toml`, dir: `${dir}/out` });
    const { records } = await loadDataset(`${dir}/out`);
    assert.deepEqual(records.map(({ id, patient }) => [id, patient]), [["a.png", "p1"], ["b.jpg", "p2"], [
      "c.npy",
      "p1",
    ]]);
    assert.deepEqual(records.map(({ labels }) => labels.get("side")), [0, 1, null]);
    assert.ok((records[2].values.get("image") as ImageValue).data.every((value) => value === 9));
    // The header of an array that promises 10 GB in a file of a few bytes.
    const header = writeNpy({ shape: [4, 4], data: new Uint8Array(16) });
    header.set(new TextEncoder().encode("(100000, 100000), }"), header.indexOf(0x28));
    await Deno.writeFile(`${dir}/c.npy`, header);
    await refuses(
      importDataset({ mappingFile: `${dir}/m.toml`, dir: `${dir}/big` }),
      "FormatError",
      "c.npy",
      "10000000",
    );
    await Deno.remove(`${dir}/c.npy`);
    await refuses(
      importDataset({ mappingFile: `${dir}/m.toml`, dir: `${dir}/none` }),
      "DatasetError",
      "c.npy",
    );
    const mapping = { format: "fedkim-import-images/1", ...SET, tasks: [taskText("x", "image")] };
    await Deno.writeTextFile(`${dir}/m.json`, JSON.stringify(mapping));
    await refuses(
      importDataset({ mappingFile: `${dir}/m.json`, dir: `${dir}/none` }),
      "ConfigError",
      "size",
      "patientColumn",
    );
  }));
