import assert from "node:assert/strict";
import { nativeProvider, nobleProvider } from "../../src/secure_agg/mod.ts";

/** Signatures that libraries judge differently: made once, from the arithmetic of edwards25519 (RFC 8032, 5.1). */
const ODD_SIGNATURES = [
  {
    what: "a key with a part of order 8: valid only if both sides are multiplied by 8",
    key: "6a84d583f06569edb3f5ed77df65544b27d6948b4f0b2cb76f33dd8413b20719",
    signature:
      "3477417706a7d07cc814c71df641b1784075f07b50dedeaabecb6a45a72d6e2464bdcf01e393c1937c381393cf37c3f6b4876c0d6097f4cfa7c5db01870ca60b",
    valid: false,
  },
  {
    what: "the same key, where the part of order 8 falls out",
    key: "6a84d583f06569edb3f5ed77df65544b27d6948b4f0b2cb76f33dd8413b20719",
    signature:
      "c1cada455c4abb53525db25636742cf61fce8925c9eba67dd4a18c5363ab54ecdec2e9d1c8b31b9933fe06f3e18cc4e391f78b0880c8933559cb161b53b0ee00",
    valid: true,
  },
  {
    what: "R with a part of order 8",
    key: "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
    signature:
      "177932f1c12980670e1b32398c916642b4eb2becc3e0bd325104220ddab79e3c717b7b781035ca1fd659a7877f3279ddd029a329fc41aa210c5e3a9a81914b0f",
    valid: false,
  },
  {
    what: "the neutral element as key",
    key: "0100000000000000000000000000000000000000000000000000000000000000",
    signature:
      "2c7be86ab07488ba43e8e03d85a67625cfbf98c8544de4c877241b7aaafc7fe30a00000000000000000000000000000000000000000000000000000000000000",
    valid: false,
  },
  {
    what: "the neutral element in another encoding",
    key: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    signature:
      "933333622da9efdbe3dbdb39312c98da799b2d1f1ba7f42596fa7aa4f9daeb0a2200000000000000000000000000000000000000000000000000000000000000",
    valid: false,
  },
  {
    what: "a key of order 8",
    key: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    signature:
      "2c7be86ab07488ba43e8e03d85a67625cfbf98c8544de4c877241b7aaafc7fe30a00000000000000000000000000000000000000000000000000000000000000",
    valid: false,
  },
  {
    what: "the neutral element with the sign bit set",
    key: "0100000000000000000000000000000000000000000000000000000000000080",
    signature:
      "f47e49f9d07ad2c1606b4d94067c41f9777d4ffda709b71da1d88628fce34d850600000000000000000000000000000000000000000000000000000000000000",
    valid: false,
  },
  {
    what: "S not below the group order",
    key: "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
    signature:
      "3477417706a7d07cc814c71df641b1784075f07b50dedeaabecb6a45a72d6e24fb6a4d3281f69e3bb1091ada0d7b556af9d6f1197bd37fe68adc5956a593671e",
    valid: false,
  },
  {
    what: "an ordinary signature",
    key: "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
    signature:
      "3477417706a7d07cc814c71df641b1784075f07b50dedeaabecb6a45a72d6e240e9757d566938ce3da6c22372f817655f9d6f1197bd37fe68adc5956a593670e",
    valid: true,
  },
  {
    what: "R in another encoding",
    key: "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
    signature:
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7fb0af0509e73874842c71be84b6a3936fddf04613d22acca7e74a5e01b6c8c40c",
    valid: false,
  },
  {
    what: "the neutral element as R",
    key: "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
    signature:
      "0100000000000000000000000000000000000000000000000000000000000000de7c354b6e9f8025abf0160cb6df7f11eb351dfc2f5033c2678743e7a40c1201",
    valid: true,
  },
] as const;

Deno.test("both providers judge alike the signatures on which Ed25519 libraries differ", () => {
  const bytes = (hex: string): Uint8Array =>
    Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
  for (const { what, key, signature, valid } of ODD_SIGNATURES) {
    for (const provider of [nativeProvider, nobleProvider]) {
      const verdict = provider.ed25519Verify(bytes(key), new TextEncoder().encode("m"), bytes(signature));
      assert.equal(verdict, valid, `${what} (${provider.name})`);
    }
  }
});
