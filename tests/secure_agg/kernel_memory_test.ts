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
const { nativeProvider, wasmEngine, streamEngine } = await import("../../src/secure_agg/mod.ts");

/** Public constants of the X25519 kernel. */
const CONSTANTS = 128;
const nonZero = (from: number): number =>
  memories.reduce(
    (sum, { buffer }) => sum + new Uint8Array(buffer, from).filter((byte) => byte !== 0).length,
    0,
  );

Deno.test("no kernel keeps a key, a mask, a vector or an agreement in its memory after a call", async () => {
  const key = new Uint8Array(32).fill(7);
  for (const engine of [wasmEngine(), streamEngine()]) {
    await engine.apply(new Uint32Array(10_000).fill(5), [{ key, negate: false }, { key, negate: true }], 0);
    assert.equal(nonZero(0), 0, engine.name);
  }
  const before = memories.length;
  const peers = [9, 11, 13].map((seed) => nativeProvider.x25519PublicKey(new Uint8Array(32).fill(seed)));
  assert.ok(nativeProvider.x25519All(key, peers).every((secret) => secret?.length === 32));
  assert.equal(memories.length, before + 1, "the agreement ran in a kernel of its own");
  assert.equal(nonZero(CONSTANTS), 0);
});
