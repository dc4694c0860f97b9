import { cryptoRandomBytes, nativeProvider, recoverShares, splitSecret } from "../../src/secure_agg/mod.ts";
import { bestOf, cpuSeconds } from "./_measure.ts";

/** CPU seconds to recover one 32-byte secret at t = 51 from 100 dealt shares, Lagrange coefficients at hand. */
export function measureRecovery(): number {
  const [threshold, count, repeats] = [51, 100, 2000];
  const shares = splitSecret(cryptoRandomBytes(32), threshold, count, cryptoRandomBytes).slice(0, threshold);
  const coordinates = shares.map((_, i) => i + 1);
  const recover = recoverShares(count, coordinates);
  let best = Infinity;
  for (let turn = 0; turn < 5; turn++) {
    const start = cpuSeconds();
    for (let i = 0; i < repeats; i++) recover(shares);
    best = Math.min(best, (cpuSeconds() - start) / repeats);
  }
  return best;
}

/** CPU seconds of one X25519 agreement: a yardstick of how fast, and how busy, this machine is. */
export async function measureAgreement(): Promise<number> {
  const agree = nativeProvider.x25519(cryptoRandomBytes(32));
  const peer = nativeProvider.x25519PublicKey(cryptoRandomBytes(32));
  const repeats = 1000;
  const [seconds] = await bestOf(3, [() => {
    for (let i = 0; i < repeats; i++) agree(peer);
  }]);
  return seconds / repeats;
}
