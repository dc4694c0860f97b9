/**
 * The cipher suite SA1 behind one interface. Providers give the same bytes for the same input, and accept and
 * refuse the same inputs; all functions are synchronous.
 */
export interface CryptoProvider {
  /** Name of the implementation, for reports. */
  readonly name: "native" | "noble";
  /** SHA-256 (FIPS 180-4) of the parts joined. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** HKDF-SHA-256, extract and expand (RFC 5869). `length` at most 8160. */
  hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** X25519 public key of a 32-byte secret (RFC 7748). */
  x25519PublicKey(secretKey: Uint8Array): Uint8Array;
  /**
   * X25519 shared secrets of one secret key: returns a function of the peer's public key.
   * It answers undefined for a key that is not canonical or gives the all-zero secret.
   */
  x25519(secretKey: Uint8Array): (publicKey: Uint8Array) => Uint8Array | undefined;
  /** Ed25519 public key of a 32-byte seed (RFC 8032). */
  ed25519PublicKey(seed: Uint8Array): Uint8Array;
  /** Ed25519 signature, 64 bytes. */
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** True for a valid strict RFC 8032 signature; false for anything else. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext then 16-byte tag. `nonce` has 12 bytes. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Opens what {@link seal} made, or answers undefined if key, nonce, aad or bytes are wrong. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /** ChaCha20 key stream (RFC 8439) from 64-byte block `counter`; `nonce` has 12 bytes. */
  chacha20(key: Uint8Array, nonce: Uint8Array, counter: number, length: number): Uint8Array;
  /**
   * The same key stream with a zero nonce, piece by piece: every call gives the next `length` bytes, a multiple of 64
   * but for the last. All pieces together have `total` bytes, and all must be taken.
   */
  keyStream(key: Uint8Array, counter: number, total: number): (length: number) => Uint8Array;
}
