import {
  cryptoRandomBytes,
  fastestEngine,
  identityFromPrivateKey,
  nativeProvider,
} from "../../src/secure_agg/mod.ts";
import { cpuSeconds } from "./_measure.ts";

/** What the primitives cost in one process: CPU seconds, averages and not best values. */
export interface Yardstick {
  /** One X25519 agreement with a fresh public key. */
  readonly agreement: number;
  /** One Ed25519 verification under a key that is already imported. */
  readonly verification: number;
  /** One gigabyte of masks, expanded and added. */
  readonly gigabyte: number;
}

function average(repeats: number, run: () => void): number {
  const start = cpuSeconds();
  for (let i = 0; i < repeats; i++) run();
  return (cpuSeconds() - start) / repeats;
}

/** Measures the three primitives that a round is made of, in some 100 ms. */
export function measureYardstick(): Yardstick {
  const provider = nativeProvider;
  const agree = provider.x25519(cryptoRandomBytes(32));
  const peer = provider.x25519PublicKey(cryptoRandomBytes(32));
  const { publicKey, privateKey } = identityFromPrivateKey("yardstick", cryptoRandomBytes(32));
  const message = new Uint8Array(150);
  const signature = provider.ed25519Sign(privateKey.reveal(), message);
  const jobs = Array.from({ length: 10 }, () => ({ key: cryptoRandomBytes(32), negate: false }));
  const words = new Uint32Array(100_000);
  const engine = fastestEngine();
  return {
    agreement: average(400, () => agree(peer)),
    verification: average(400, () => provider.ed25519Verify(publicKey, message, signature)),
    gigabyte: average(10, () => engine.apply(words, jobs, 0)) / (jobs.length * words.byteLength / 1e9),
  };
}

/** The mean of two yardsticks: one taken before a round and one after it. */
export function between(a: Yardstick, b: Yardstick): Yardstick {
  return {
    agreement: (a.agreement + b.agreement) / 2,
    verification: (a.verification + b.verification) / 2,
    gigabyte: (a.gigabyte + b.gigabyte) / 2,
  };
}
