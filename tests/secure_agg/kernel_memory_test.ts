import assert from "node:assert/strict";

/** Memories of all kernels that are made from here on: the modules under test are loaded afterwards. */
const memories: WebAssembly.Memory[] = [];
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(...args: ConstructorParameters<typeof Instance>) {
    super(...args);
    memories.push(this.exports.memory as WebAssembly.Memory);
  }
};
const { wasmEngine, streamEngine } = await import("../../src/secure_agg/mod.ts");

const nonZero = (): number =>
  memories.reduce((sum, { buffer }) => sum + new Uint8Array(buffer).filter((byte) => byte !== 0).length, 0);

Deno.test("no kernel keeps a key, a mask or a vector in its memory after a call", async () => {
  const key = new Uint8Array(32).fill(7);
  for (const engine of [wasmEngine(), streamEngine()]) {
    await engine.apply(new Uint32Array(10_000).fill(5), [{ key, negate: false }, { key, negate: true }], 0);
    assert.equal(nonZero(), 0, engine.name);
  }
});
