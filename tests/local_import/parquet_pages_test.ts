import assert from "node:assert/strict";
import type { ColumnChunk } from "hyparquet";
import { checkPages } from "../../src/local/import/tables/_parquet_pages.ts";

/** A number as a zigzag varint. */
function zigzag(value: number): number[] {
  const bytes: number[] = [];
  let rest = 2 * value;
  while (rest >= 128) {
    bytes.push(rest % 128 + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

/** A data page header in Thrift's compact protocol, with statistics, and its body. */
function page(values: number, body: number): number[] {
  const statistics = [0x5c, 0x18, 2, 65, 66, 0];
  const data = [0x2c, 0x15, ...zigzag(values), 0x15, 0, ...statistics.with(0, 0x3c), 0];
  return [0x15, 0, 0x15, ...zigzag(body), 0x15, ...zigzag(body), ...data, 0, ...new Array(body).fill(7)];
}

async function check(bytes: readonly number[], rows: number): Promise<void> {
  const file = Uint8Array.from(bytes);
  const meta = { data_page_offset: 0n, total_compressed_size: BigInt(file.length) };
  const read = (from: number, to: number) => Promise.resolve(file.slice(from, to).buffer);
  await checkPages(read, { meta_data: meta } as ColumnChunk, rows);
}

Deno.test("pages that hold the rows of their group pass, whatever stands in their bodies", async () => {
  await check(page(5, 9), 5);
  await check([...page(3, 4), ...page(2, 300)], 5);
});

Deno.test("a page that claims more values than its group has rows is refused before it is decoded", async () => {
  await assert.rejects(check(page(2 ** 31 - 1, 3), 5), /2147483647 values in a row group of 5 rows/);
  await assert.rejects(check([...page(3, 4), ...page(6, 4)], 5), RangeError);
});

Deno.test("page headers that are cut short or of another kind are RangeErrors", async () => {
  const whole = page(5, 0);
  for (let length = 1; length < whole.length; length++) {
    await assert.rejects(check(whole.slice(0, length), 5), RangeError, `${length} bytes`);
  }
  await assert.rejects(check(new Array(200).fill(0x1c), 5), /nested too deeply/);
  await assert.rejects(check([0x1d, 0], 5), /field of type 13/);
  await assert.rejects(check([0x15, ...new Array(20).fill(0xff)], 5), /too long/);
});
