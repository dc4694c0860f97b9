import assert from "node:assert/strict";
import fc from "fast-check";
import { x25519Pairs } from "../../src/secure_agg/_x25519_kernel.ts";
import { nativeProvider } from "../../src/secure_agg/mod.ts";

const P = 2n ** 255n - 19n;
const toBytes = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Numbers whose limbs are as large, as small or as uneven as they get: where a sum would leave 53 bits first. */
const extremes: readonly bigint[] = [
  P - 1n,
  P - 2n,
  2n ** 254n - 1n,
  2n ** 254n,
  2n,
  19n,
  2n ** 128n - 1n,
  P - 2n ** 128n,
  ...[21, 22, 43, 64, 85].flatMap((shift) => {
    const ones = (1n << BigInt(shift)) - 1n;
    return [ones, ones << BigInt(255 - shift - 1), (P >> BigInt(shift)) ^ ones];
  }),
].map((value) => value % P);

Deno.test("the X25519 kernel agrees with node:crypto on random keys and on keys with extreme limbs", () => {
  const publicKey = fc.oneof(
    fc.bigInt({ min: 0n, max: P - 1n }),
    fc.constantFrom(...extremes),
  ).map(toBytes);
  fc.assert(
    fc.property(secret, fc.array(publicKey, { minLength: 1, maxLength: 5 }), (own, keys) => {
      const secrets = x25519Pairs(own, keys)!;
      const agree = nativeProvider.x25519(own);
      keys.forEach((key, i) => {
        const low = secrets[i].every((byte) => byte === 0);
        assert.deepEqual(low ? undefined : secrets[i], agree(key));
      });
    }),
    { numRuns: 300 },
  );
});

Deno.test("the X25519 kernel reproduces the thousandfold iteration of RFC 7748 in both lanes", () => {
  const path = new URL("../vectors/rfc/rfc7748_x25519.json", import.meta.url);
  const { iterated } = JSON.parse(Deno.readTextFileSync(path)) as { iterated: Record<string, string> };
  let [k, u] = [toBytes(9n), toBytes(9n)];
  for (let i = 1; i <= 1000; i++) {
    const [first, second] = x25519Pairs(k, [u, u])!;
    assert.deepEqual(first, second);
    [k, u] = [first, k];
    u[31] &= 0x7f;
  }
  assert.equal(Array.from(k, (byte) => byte.toString(16).padStart(2, "0")).join(""), iterated["1000"]);
});

Deno.test("the X25519 kernel refuses a secret key of another length, and takes no public keys at all", () => {
  for (const length of [0, 31, 33]) {
    assert.throws(() => x25519Pairs(new Uint8Array(length), [toBytes(9n)]), RangeError);
  }
  assert.deepEqual(x25519Pairs(new Uint8Array(32), []), []);
});

Deno.test("an agreement in one lane does not depend on the key in the other lane", () => {
  const own = toBytes(12345n);
  const key = toBytes(9n);
  const [alone] = x25519Pairs(own, [key])!;
  for (const other of [0n, 1n, ...extremes]) {
    assert.deepEqual(x25519Pairs(own, [key, toBytes(other)])![0], alone);
    assert.deepEqual(x25519Pairs(own, [toBytes(other), key])![1], alone);
  }
});
