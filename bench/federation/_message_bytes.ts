import { graphParams } from "../../src/secure_agg/mod.ts";

/**
 * Bytes of one site's protocol messages in a `strict` round that everybody stays in, both ways, without the vector and
 * HTTP, by the wire format: what no shorter header can save.
 * @param n sites
 * @param idBytes length of a site's name
 */
export function messageBytes(n: number, idBytes: number): Readonly<Record<string, number>> {
  const { graph, threshold } = graphParams({ n, profile: "strict" });
  const k = graph.kind === "full" ? n - 1 : graph.degree;
  const set = 2 + Math.ceil(n / 8);
  const [header, hash, signature, index] = [9, 32, 64, 2];
  const advert = 1 + idBytes + 2 * hash + signature;
  return {
    roster: header + hash + index + k * (1 + advert) + (n - k) * (1 + hash),
    "own shares": header + 2 * hash + 2 * index + signature + k * (index + 80),
    "others' shares": header + hash + index + set + k * (index + hash + 80),
    "survivors' signatures": header + 2 * hash + index + set + threshold * (index + signature),
    "released shares": header + hash + 2 * index + signature + (k + 1) * (index + 1 + hash),
    "all others": (header + hash + advert) + (header + 2 * hash + index + signature) +
      (header + 2 * hash + set) + (header + hash + index + signature) + (header + hash + index + 4),
  };
}
