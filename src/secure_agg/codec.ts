import { ByteReader, ByteWriter } from "./_byte_codec.ts";
import { bodyBytes, decodeBody, MESSAGE_TYPES, writeBody } from "./_message_bodies.ts";
import { protocolAbort } from "./errors.ts";
import type { Message } from "./messages.ts";

const MAGIC = Uint8Array.of(0x53, 0x41, 0x31); // "SA1"
const VERSION = 1;
/** Bytes before the body: magic 3, type 1, version 1, body length 4. */
export const HEADER_BYTES = 9;

/** Place of the body length in the header. */
const LENGTH_OFFSET = 5;
/** The canonical bytes of a message: header {magic "SA1", type u8, version u8, length u32}, then the body. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new ByteWriter(HEADER_BYTES + bodyBytes(message))
    .raw(MAGIC)
    .uint(1, MESSAGE_TYPES.indexOf(message.type))
    .uint(1, VERSION)
    .uint(4, 0);
  writeBody(writer, message);
  return writer.patchUint32(LENGTH_OFFSET, writer.length - HEADER_BYTES).finish();
}

/** The type of a message from its header alone; undefined if there is no readable header. */
export function messageType(bytes: Uint8Array): Message["type"] | undefined {
  return bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)
    ? undefined
    : MESSAGE_TYPES[bytes[3]];
}

/**
 * Reads one message; its byte form is unique, so decode and encode give the same bytes again.
 * @throws SecAggError malformed_message or unsupported_version
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const type = messageType(bytes);
  if (type === undefined) {
    throw protocolAbort("malformed_message", "These bytes are not a message of this protocol.", {
      found: `${bytes.length} bytes with another header`,
      needed: `magic "SA1" and a known message type`,
    });
  }
  const reader = new ByteReader(bytes);
  reader.raw(MAGIC.length + 1);
  const version = reader.uint(1);
  if (version !== VERSION) {
    throw protocolAbort("unsupported_version", "The other side speaks another version of the protocol.", {
      found: `version ${version}`,
      needed: `version ${VERSION}`,
      remedy: "run the same version of FedKIM on both sides",
    });
  }
  const length = reader.uint(4);
  if (length !== reader.left) {
    throw protocolAbort("malformed_message", "A message has the wrong length.", {
      found: `${reader.left} bytes of body`,
      needed: `the ${length} that its header says`,
    });
  }
  const message = decodeBody(type, reader);
  reader.end();
  return message;
}
