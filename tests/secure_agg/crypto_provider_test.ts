import assert from "node:assert/strict";
import fc from "fast-check";
import { type CryptoProvider, nativeProvider, nobleProvider } from "../../src/secure_agg/mod.ts";

interface Case {
  readonly [field: string]: string;
}

interface Vectors {
  readonly source: string;
  readonly cases: readonly Case[];
  readonly [extra: string]: unknown;
}

function vectors(name: string): Vectors {
  const path = new URL(`../vectors/rfc/${name}`, import.meta.url);
  const loaded = JSON.parse(Deno.readTextFileSync(path)) as Vectors;
  assert.ok(loaded.source, "vectors without provenance are refused");
  return loaded;
}

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (value: Uint8Array | undefined): string | undefined =>
  value && Array.from(value, (b) => b.toString(16).padStart(2, "0")).join("");

for (const provider of [nativeProvider, nobleProvider] as const satisfies readonly CryptoProvider[]) {
  Deno.test(`x25519 of ${provider.name} reproduces RFC 7748`, () => {
    const { cases, iterated, publicKeys } = vectors("rfc7748_x25519.json");
    for (const c of cases) {
      assert.equal(hex(provider.x25519(bytes(c.secret))(bytes(c.public))), c.shared, c.name);
    }
    for (const c of cases) {
      const keys = [...cases, c].map((other) => bytes(other.public));
      const fresh = (key: Uint8Array) => provider.x25519(bytes(c.secret))(key);
      assert.deepEqual(
        keys.map(provider.x25519(bytes(c.secret))),
        keys.map(fresh),
        "one import serves many keys",
      );
    }
    for (const c of publicKeys as Case[]) {
      assert.equal(hex(provider.x25519PublicKey(bytes(c.secret))), c.public);
    }
    let [k, u] = [bytes("09" + "00".repeat(31)), bytes("09" + "00".repeat(31))];
    for (let i = 1; i <= 1000; i++) {
      [k, u] = [provider.x25519(k)(u)!, k];
      u[31] &= 0x7f; // the spare bit that RFC 7748 ignores in an input
      const expected = (iterated as Record<string, string>)[i];
      if (expected !== undefined) assert.equal(hex(k), expected);
    }
  });

  Deno.test(`x25519 of ${provider.name} refuses keys that are not canonical or of low order`, () => {
    const agree = provider.x25519(new Uint8Array(32).fill(7));
    const p = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    for (
      const bad of [
        "00".repeat(32), // order 4
        "01" + "00".repeat(31), // order 1
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", // order 8
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", // order 8
        "ec" + p.slice(2), // p - 1, order 2
        "ed" + p.slice(2), // p
        "ee" + p.slice(2), // p + 1
        "09" + "00".repeat(30) + "80", // spare bit set
        "09",
        "09" + "00".repeat(32),
      ]
    ) assert.equal(agree(bytes(bad)), undefined, bad);
    assert.equal(agree(bytes("eb" + p.slice(2)))?.length, 32); // p - 2: canonical, of large order
    const mixed = ["09" + "00".repeat(31), "00".repeat(32), "ed" + p.slice(2), "eb" + p.slice(2)].map(bytes);
    const fresh = (key: Uint8Array) => provider.x25519(new Uint8Array(32).fill(7))(key);
    assert.deepEqual(mixed.map(agree), mixed.map(fresh), "bad keys among good ones");
  });

  Deno.test(`ed25519 of ${provider.name} reproduces RFC 8032 and refuses every flipped bit`, () => {
    for (const c of vectors("rfc8032_ed25519.json").cases) {
      const [seed, key, message] = [bytes(c.seed), bytes(c.public), bytes(c.message)];
      assert.equal(hex(provider.ed25519PublicKey(seed)), c.public);
      assert.equal(hex(provider.ed25519Sign(seed, message)), c.signature);
      assert.ok(provider.ed25519Verify(key, message, bytes(c.signature)));
      for (let i = 0; i < 64; i += 3) {
        const wrong = bytes(c.signature);
        wrong[i] ^= 1 << (i % 8);
        assert.ok(!provider.ed25519Verify(key, message, wrong));
      }
      assert.ok(!provider.ed25519Verify(key, bytes(c.message + "00"), bytes(c.signature)));
      assert.ok(!provider.ed25519Verify(key.subarray(1), message, bytes(c.signature)));
      assert.ok(!provider.ed25519Verify(key, message, bytes(c.signature + "00")));
    }
  });

  Deno.test(`hkdf of ${provider.name} reproduces RFC 5869`, () => {
    for (const c of vectors("rfc5869_hkdf_sha256.json").cases) {
      const okm = provider.hkdf(bytes(c.ikm), bytes(c.salt), bytes(c.info), c.okm.length / 2);
      assert.equal(hex(okm), c.okm, c.name);
    }
  });

  Deno.test(`chacha20 and its aead of ${provider.name} reproduce RFC 8439`, () => {
    const { cases, aead } = vectors("rfc8439_chacha20_poly1305.json");
    for (const c of cases) {
      assert.equal(
        hex(provider.chacha20(bytes(c.key), bytes(c.nonce), Number(c.counter), 64)),
        c.stream,
        c.name,
      );
    }
    for (const c of aead as Case[]) {
      const [key, nonce, aad] = [bytes(c.key), bytes(c.nonce), bytes(c.aad)];
      assert.equal(hex(provider.seal(key, nonce, aad, bytes(c.plaintext))), c.sealed);
      assert.equal(hex(provider.open(key, nonce, aad, bytes(c.sealed))), c.plaintext);
      for (let i = 0; i < c.sealed.length / 2; i += 5) {
        const wrong = bytes(c.sealed);
        wrong[i] ^= 1;
        assert.equal(provider.open(key, nonce, aad, wrong), undefined);
      }
      assert.equal(provider.open(key, nonce, aad.subarray(1), bytes(c.sealed)), undefined);
      assert.equal(provider.open(key, nonce, aad, bytes(c.sealed).subarray(0, 15)), undefined);
    }
  });
}

Deno.test("native and noble give the same bytes for the same input", () => {
  const blob = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(
      blob(32),
      blob(32),
      blob(12),
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 2 ** 26 }),
      (a, b, nonce, text, counter) => {
        const [x, y] = [nativeProvider, nobleProvider].map((p) =>
          [
            p.sha256(a, text),
            p.hkdf(a, b, text, 32),
            p.x25519PublicKey(a),
            p.x25519(a)(p.x25519PublicKey(b)),
            p.x25519(a)(b),
            p.ed25519PublicKey(a),
            p.ed25519Sign(a, text),
            p.seal(a, nonce, b, text),
            p.open(a, nonce, b, p.seal(a, nonce, b, text)),
            p.open(a, nonce, b, text),
            p.chacha20(a, nonce, counter, text.length),
          ].map(hex)
        );
        assert.deepEqual(x, y);
      },
    ),
    { numRuns: 60 },
  );
});
