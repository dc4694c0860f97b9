import { ByteReader, type ByteWriter } from "./_byte_codec.ts";
import { protocolAbort } from "./errors.ts";
import { isClientId } from "./identity.ts";
import { IndexSet } from "./index_set.ts";
import type { AdvertiseKeysMessage, Message, RosterEntry } from "./messages.ts";

/** Message types; the place in this list is the type byte. */
export const MESSAGE_TYPES = [
  "abort",
  "advertise_keys",
  "roster",
  "share_keys",
  "deliver_shares",
  "masked_chunk",
  "commit_vector",
  "survivors",
  "sign_survivors",
  "unmask_request",
  "unmask",
] as const satisfies readonly Message["type"][];

const HASH = 32;
const SIGNATURE = 64;
const ENVELOPE = 80;

function writeAdvert(writer: ByteWriter, advert: AdvertiseKeysMessage): ByteWriter {
  return writer.text(advert.clientId).raw(advert.encryptionKey).raw(advert.maskKey).raw(advert.signature);
}

function readAdvert(reader: ByteReader, configHash: Uint8Array): AdvertiseKeysMessage {
  const clientId = reader.text();
  if (!isClientId(clientId)) {
    throw protocolAbort("malformed_message", "A message names an illegal client id.");
  }
  const fields = reader.copy(2 * HASH + SIGNATURE); // one allocation and three views
  return {
    type: "advertise_keys",
    configHash,
    clientId,
    encryptionKey: fields.subarray(0, HASH),
    maskKey: fields.subarray(HASH, 2 * HASH),
    signature: fields.subarray(2 * HASH),
  };
}

function writeSet(writer: ByteWriter, set: IndexSet): ByteWriter {
  return writer.uint(2, set.capacity).raw(set.toBytes());
}

function readSet(reader: ByteReader): IndexSet {
  const capacity = reader.uint(2);
  return IndexSet.fromBytes(capacity, reader.raw((capacity + 7) >>> 3));
}

/**
 * Reads `count` items whose key must strictly ascend: one byte form per list, and no duplicates. The items are views of
 * one copy, so that a list of a thousand envelopes takes one allocation and not a thousand.
 */
function readAscending<T>(
  reader: ByteReader,
  itemBytes: number,
  read: (items: ByteReader) => T,
  key: (item: T) => number,
): T[] {
  const count = reader.uint(2);
  if (count * itemBytes > reader.left) {
    throw protocolAbort("malformed_message", "A list is longer than its message.");
  }
  const source = new ByteReader(reader.copy(count * itemBytes));
  const items: T[] = [];
  for (let i = 0; i < count; i++) {
    const item = read(source);
    if (i > 0 && key(item) <= key(items[i - 1])) {
      throw protocolAbort("malformed_message", "A list is not strictly ascending.", {
        found: `${key(item)} after ${key(items[i - 1])}`,
      });
    }
    items.push(item);
  }
  return items;
}

function readEntry(reader: ByteReader, configHash: Uint8Array): RosterEntry {
  const kind = reader.uint(1);
  if (kind > 1) throw protocolAbort("malformed_message", "A roster entry is of an unknown kind.");
  return kind === 0
    ? { kind: "leaf", leaf: reader.raw(HASH) }
    : { kind: "advert", advert: readAdvert(reader, configHash) };
}

function readShareKind(reader: ByteReader): "mask_seed" | "mask_key" {
  const kind = reader.uint(1);
  if (kind > 1) throw protocolAbort("malformed_message", "A share is of an unknown kind.");
  return kind === 0 ? "mask_seed" : "mask_key";
}

/** Bytes of the body: a writer of this capacity never copies what it has. Short texts are guessed generously. */
export function bodyBytes(message: Message): number {
  switch (message.type) {
    case "masked_chunk":
      return HASH + 6 + message.payload.length;
    case "advertise_keys":
      return HASH + advertBytes(message);
    case "roster":
      return message.entries.reduce(
        (sum, entry) => sum + 1 + (entry.kind === "leaf" ? HASH : advertBytes(entry.advert)),
        HASH + 2,
      );
    case "share_keys":
      return 2 * HASH + 4 + SIGNATURE + message.ciphertexts.length * (2 + ENVELOPE);
    case "deliver_shares":
      return HASH + 4 + ((message.shared.capacity + 7) >>> 3) + message.shares.length * (2 + HASH + ENVELOPE);
    case "unmask_request":
      return 2 * HASH + 4 + ((message.survivors.capacity + 7) >>> 3) +
        message.signatures.length * (2 + SIGNATURE);
    case "unmask":
      return HASH + 4 + SIGNATURE + message.shares.length * (3 + HASH);
    default:
      return 256;
  }
}

/** Client ids are ASCII. */
function advertBytes({ clientId }: AdvertiseKeysMessage): number {
  return 1 + clientId.length + 2 * HASH + SIGNATURE;
}

/** Writes the body of a message, without its header. */
export function writeBody(w: ByteWriter, message: Message): ByteWriter {
  switch (message.type) {
    case "abort":
      return w.text(message.code).text(message.reason);
    case "advertise_keys":
      return writeAdvert(w.raw(message.configHash), message);
    case "roster":
      w.raw(message.configHash).uint(2, message.entries.length);
      for (const entry of message.entries) {
        if (entry.kind === "leaf") w.uint(1, 0).raw(entry.leaf);
        else writeAdvert(w.uint(1, 1), entry.advert);
      }
      return w;
    case "share_keys":
      w.raw(message.sid).uint(2, message.index).raw(message.commitment).uint(2, message.ciphertexts.length);
      for (const { peer, ciphertext } of message.ciphertexts) w.uint(2, peer).raw(ciphertext);
      return w.raw(message.signature);
    case "deliver_shares":
      writeSet(w.raw(message.sid), message.shared).uint(2, message.shares.length);
      for (const { peer, commitment, ciphertext } of message.shares) {
        w.uint(2, peer).raw(commitment).raw(ciphertext);
      }
      return w;
    case "masked_chunk":
      return w.raw(message.sid).uint(2, message.index).uint(4, message.chunk).raw(message.payload);
    case "commit_vector":
      w.raw(message.sid).uint(2, message.index).raw(message.vectorRoot).raw(message.signature);
      return message.sharedSignature === undefined ? w : w.raw(message.sharedSignature);
    case "survivors":
      return writeSet(w.raw(message.sid), message.survivors).raw(message.recordRoot);
    case "sign_survivors":
      return w.raw(message.sid).uint(2, message.index).raw(message.signature);
    case "unmask_request":
      writeSet(w.raw(message.sid), message.survivors).raw(message.recordRoot).uint(
        2,
        message.signatures.length,
      );
      for (const { index, signature } of message.signatures) w.uint(2, index).raw(signature);
      return w;
    case "unmask":
      w.raw(message.sid).uint(2, message.index).uint(2, message.shares.length);
      for (const { peer, kind, share } of message.shares) {
        w.uint(2, peer).uint(1, kind === "mask_seed" ? 0 : 1).raw(share);
      }
      return w.raw(message.signature);
  }
}

/** Reads the body of a message of a known type; the caller checks that nothing is left over. */
export function decodeBody(type: Message["type"], r: ByteReader): Message {
  switch (type) {
    case "abort":
      return { type, code: r.text(), reason: r.text() };
    case "advertise_keys":
      return readAdvert(r, r.copy(HASH));
    case "roster": {
      const configHash = r.copy(HASH);
      const count = r.uint(2);
      const entries: RosterEntry[] = [];
      for (let i = 0; i < count; i++) entries.push(readEntry(r, configHash));
      return { type, configHash, entries };
    }
    case "share_keys":
      return {
        type,
        sid: r.copy(HASH),
        index: r.uint(2),
        commitment: r.copy(HASH),
        ciphertexts: readAscending(r, 2 + ENVELOPE, (items) => ({
          peer: items.uint(2),
          ciphertext: items.raw(ENVELOPE),
        }), (item) => item.peer),
        signature: r.copy(SIGNATURE),
      };
    case "deliver_shares":
      return {
        type,
        sid: r.copy(HASH),
        shared: readSet(r),
        shares: readAscending(r, 2 + HASH + ENVELOPE, (items) => ({
          peer: items.uint(2),
          commitment: items.raw(HASH),
          ciphertext: items.raw(ENVELOPE),
        }), (item) => item.peer),
      };
    case "masked_chunk":
      return { type, sid: r.copy(HASH), index: r.uint(2), chunk: r.uint(4), payload: r.raw(r.left) };
    case "commit_vector":
      return {
        type,
        sid: r.copy(HASH),
        index: r.uint(2),
        vectorRoot: r.copy(HASH),
        signature: r.copy(SIGNATURE),
        sharedSignature: r.left === 0 ? undefined : r.copy(SIGNATURE),
      };
    case "survivors":
      return { type, sid: r.copy(HASH), survivors: readSet(r), recordRoot: r.copy(HASH) };
    case "sign_survivors":
      return { type, sid: r.copy(HASH), index: r.uint(2), signature: r.copy(SIGNATURE) };
    case "unmask_request":
      return {
        type,
        sid: r.copy(HASH),
        survivors: readSet(r),
        recordRoot: r.copy(HASH),
        signatures: readAscending(r, 2 + SIGNATURE, (items) => ({
          index: items.uint(2),
          signature: items.raw(SIGNATURE),
        }), (item) => item.index),
      };
    case "unmask":
      return {
        type,
        sid: r.copy(HASH),
        index: r.uint(2),
        shares: readAscending(r, 3 + HASH, (items) => ({
          peer: items.uint(2),
          kind: readShareKind(items),
          share: items.raw(HASH),
        }), (item) => item.peer),
        signature: r.copy(SIGNATURE),
      };
  }
}
