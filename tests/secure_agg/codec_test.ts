import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeMessage,
  encodeMessage,
  HEADER_BYTES,
  IndexSet,
  type Message,
  messageType,
  SecAggError,
} from "../../src/secure_agg/mod.ts";
import { bodyBytes } from "../../src/secure_agg/_message_bodies.ts";

const blob = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const hash = blob(32);
const signature = blob(64);
const index = fc.integer({ min: 0, max: 65_535 });
const clientId = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const set = fc.tuple(fc.integer({ min: 0, max: 70 }), fc.array(fc.nat(69))).map(([n, list]) =>
  IndexSet.of(n, list.filter((i) => i < n))
);
const advert = (configHash: Uint8Array) =>
  fc.record({
    type: fc.constant("advertise_keys" as const),
    configHash: fc.constant(configHash),
    clientId,
    encryptionKey: hash,
    maskKey: hash,
    signature,
  });
/** A list that strictly ascends by `key`. */
function ascending<T>(item: fc.Arbitrary<T>, key: (item: T) => number): fc.Arbitrary<T[]> {
  return fc.uniqueArray(item, { selector: key, maxLength: 6 }).map((list) =>
    list.sort((a, b) => key(a) - key(b))
  );
}
const peerKey = ({ peer }: { peer: number }): number => peer;

/** Every type of message, with arbitrary content. */
const messages: Readonly<Record<Message["type"], fc.Arbitrary<Message>>> = {
  abort: fc.record({ type: fc.constant("abort"), code: clientId, reason: clientId }),
  advertise_keys: hash.chain(advert),
  roster: hash.chain((configHash) =>
    fc.record({
      type: fc.constant("roster"),
      configHash: fc.constant(configHash),
      entries: fc.array(
        fc.oneof(
          fc.record({ kind: fc.constant("leaf" as const), leaf: hash }),
          fc.record({ kind: fc.constant("advert" as const), advert: advert(configHash) }),
        ),
        { maxLength: 6 },
      ),
    })
  ),
  share_keys: fc.record({
    type: fc.constant("share_keys"),
    sid: hash,
    index,
    commitment: hash,
    ciphertexts: ascending(fc.record({ peer: index, ciphertext: blob(80) }), peerKey),
    signature,
  }),
  deliver_shares: fc.record({
    type: fc.constant("deliver_shares"),
    sid: hash,
    shared: set,
    shares: ascending(fc.record({ peer: index, commitment: hash, ciphertext: blob(80) }), peerKey),
  }),
  masked_chunk: fc.record({
    type: fc.constant("masked_chunk"),
    sid: hash,
    index,
    chunk: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  commit_vector: fc.record({
    type: fc.constant("commit_vector"),
    sid: hash,
    index,
    vectorRoot: hash,
    signature,
    sharedSignature: fc.option(signature, { nil: undefined }),
  }),
  survivors: fc.record({ type: fc.constant("survivors"), sid: hash, survivors: set, recordRoot: hash }),
  sign_survivors: fc.record({ type: fc.constant("sign_survivors"), sid: hash, index, signature }),
  unmask_request: fc.record({
    type: fc.constant("unmask_request"),
    sid: hash,
    survivors: set,
    recordRoot: hash,
    signatures: ascending(fc.record({ index, signature }), ({ index }) => index),
  }),
  unmask: fc.record({
    type: fc.constant("unmask"),
    sid: hash,
    index,
    shares: ascending(
      fc.record({
        peer: index,
        kind: fc.constantFrom("mask_seed" as const, "mask_key" as const),
        share: hash,
      }),
      peerKey,
    ),
    signature,
  }),
};

/** Types whose size is known before they are written; the others are short. */
const SIZED = [
  ...["advertise_keys", "roster", "share_keys", "deliver_shares", "masked_chunk", "unmask_request", "unmask"],
] as readonly string[];

for (const [type, arbitrary] of Object.entries(messages)) {
  Deno.test(`the size of ${type} is known before it is written, so that nothing is copied`, () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        const written = encodeMessage(message).length - HEADER_BYTES;
        if (SIZED.includes(type)) assert.equal(bodyBytes(message), written);
        else assert.ok(bodyBytes(message) === 256 && written <= 256);
      }),
      { numRuns: 40 },
    );
  });
}

const anyMessage = fc.oneof(...Object.values(messages));

/** Decodes; anything but a message or a typed error fails the test. */
function decodeOrReason(bytes: Uint8Array): Message | string {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    assert.ok(error instanceof SecAggError, String(error));
    return error.reason;
  }
}

for (const [type, arbitrary] of Object.entries(messages)) {
  Deno.test(`${type} has one byte form: decode and encode give the same bytes again`, () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        const bytes = encodeMessage(message);
        assert.equal(messageType(bytes), type);
        assert.deepEqual(encodeMessage(decodeMessage(bytes)), bytes);
      }),
      { numRuns: 60 },
    );
  });

  Deno.test(`${type} refuses every truncation and every trailing byte`, () => {
    fc.assert(
      fc.property(
        arbitrary,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (message, cut, tail) => {
          const bytes = encodeMessage(message);
          assert.equal(decodeOrReason(bytes.subarray(0, cut % bytes.length)), "malformed_message");
          assert.equal(decodeOrReason(Uint8Array.of(...bytes, ...tail)), "malformed_message");
          // The same with a length field that agrees, so that the body's own reader has to notice.
          const longer = Uint8Array.of(...bytes, ...tail);
          new DataView(longer.buffer).setUint32(5, longer.length - HEADER_BYTES, true);
          if (type !== "masked_chunk") assert.equal(decodeOrReason(longer), "malformed_message");
        },
      ),
      { numRuns: 60 },
    );
  });
}

Deno.test("a flipped byte anywhere gives another message in canonical form, or a typed error", () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, flip) => {
      const bytes = encodeMessage(message);
      bytes[at % bytes.length] ^= flip;
      const decoded = decodeOrReason(bytes);
      if (typeof decoded !== "string") assert.deepEqual(encodeMessage(decoded), bytes);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("random bytes behind any header give a typed error or a canonical message, never a crash", () => {
  fc.assert(
    fc.property(fc.nat(255), fc.uint8Array({ maxLength: 400 }), (type, body) => {
      const bytes = Uint8Array.of(
        0x53,
        0x41,
        0x31,
        type,
        1,
        body.length & 255,
        body.length >>> 8,
        0,
        0,
        ...body,
      );
      const decoded = decodeOrReason(bytes);
      if (typeof decoded !== "string") assert.deepEqual(encodeMessage(decoded), bytes);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("another version is refused by its own code", () => {
  const bytes = encodeMessage({ type: "abort", code: "a", reason: "b" });
  assert.equal(decodeOrReason(bytes.with(4, 2)), "unsupported_version");
});

Deno.test("lists that repeat or descend, and sets with spare bits, are refused", () => {
  const zero = new Uint8Array(32);
  const share = (peer: number) => ({ peer, ciphertext: new Uint8Array(80) });
  for (const peers of [[1, 1], [2, 1]]) {
    const bytes = encodeMessage({
      type: "share_keys",
      sid: zero,
      index: 0,
      commitment: zero,
      ciphertexts: peers.map(share),
      signature: new Uint8Array(64),
    });
    assert.equal(decodeOrReason(bytes), "malformed_message");
  }
  const survivors = encodeMessage({
    type: "survivors",
    sid: zero,
    survivors: IndexSet.of(5, [0]),
    recordRoot: zero,
  });
  const bitmap = HEADER_BYTES + 32 + 2;
  assert.notEqual(typeof decodeOrReason(survivors), "string");
  assert.equal(decodeOrReason(survivors.with(bitmap, 0b100001)), "malformed_message");
});

Deno.test("a list that claims more items than its message holds is refused without allocating them", () => {
  const zero = new Uint8Array(32);
  const bytes = encodeMessage({ type: "roster", configHash: zero, entries: [] });
  assert.equal(
    decodeOrReason(bytes.with(bytes.length - 1, 255).with(bytes.length - 2, 255)),
    "malformed_message",
  );
});
