import { ByteWriter } from "./_byte_codec.ts";
import { taggedHash } from "./_tagged_hash.ts";
import { encodeMessage } from "./codec.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { protocolAbort } from "./errors.ts";
import { fullGraph, type Neighbourhoods, ringGraph } from "./graph.ts";
import { assumedCorrupt, ringIsSafe } from "./graph_params.ts";
import type { AdvertiseKeysMessage } from "./messages.ts";
import type { IndexSet } from "./index_set.ts";
import type { RoundConfig } from "./round_config.ts";

/** What the roster fixes, the same for all honest parties. */
export interface Session {
  /** Session id: SHA-256 over cfgHash and the root of the advertised keys. */
  readonly sid: Uint8Array;
  /** Number of sites on the roster. */
  readonly n: number;
  /** Who shares with whom. */
  readonly graph: Neighbourhoods;
}

/** The bytes of an advert that its signature covers. */
export function advertStatement(advert: Omit<AdvertiseKeysMessage, "signature" | "type">): Uint8Array {
  const { configHash, clientId, encryptionKey, maskKey } = advert;
  return new ByteWriter().raw(configHash).text(clientId).raw(encryptionKey).raw(maskKey).finish();
}

/** Hash of one signed advert: a leaf under the root of the keys. */
export function advertLeaf(provider: CryptoProvider, advert: AdvertiseKeysMessage): Uint8Array {
  return taggedHash(provider, "advert", encodeMessage(advert));
}

/** Orders client ids by their bytes: the order of the roster. Ids are ASCII, so characters are bytes. */
export function compareClientIds(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/**
 * Fixes session id and graph from the leaves of the roster; every party computes it itself.
 * @throws SecAggError roster_too_small, roster_too_large or unsafe_graph
 */
export function openSession(
  provider: CryptoProvider,
  config: RoundConfig,
  configHash: Uint8Array,
  leaves: readonly Uint8Array[],
): Session {
  const n = leaves.length;
  if (n < config.nMin) {
    throw protocolAbort("roster_too_small", "Too few sites advertised keys.", {
      found: `${n}`,
      needed: `at least nMin = ${config.nMin}`,
    });
  }
  if (n > config.nMax) {
    throw protocolAbort("roster_too_large", "More sites advertised keys than the round allows.", {
      found: `${n}`,
      needed: `at most nMax = ${config.nMax}`,
    });
  }
  const keysRoot = taggedHash(provider, "keys_root", ...leaves);
  const sid = taggedHash(provider, "sid", configHash, keysRoot);
  const { graph } = config;
  if (graph.kind === "full") return { sid, n, graph: fullGraph(n) };
  const complete = graph.degree >= n - 1;
  const safe = complete
    ? config.profile === "curious" || 2 * config.threshold > n + assumedCorrupt(n, config)
    : ringIsSafe(n, graph.degree, config);
  if (!safe) {
    throw protocolAbort("unsafe_graph", "The ring graph is not safe for a roster of this size.", {
      found: `${n} sites, degree ${graph.degree}, threshold ${config.threshold}`,
      needed: "degree and threshold of the published table for this size",
    });
  }
  if (complete) return { sid, n, graph: fullGraph(n) };
  return { sid, n, graph: ringGraph(provider, sid, n, graph.degree) };
}

/** Number of neighbours of `index`, itself not counted, that are in `set`. */
export function aliveNeighbours(session: Session, index: number, set: IndexSet): number {
  let count = 0;
  for (const peer of session.graph.closed(index)) if (peer !== index && set.has(peer)) count++;
  return count;
}

/**
 * True if the signature of `signer` counts for site `index` in `strict`. On the ring the bound behind t leaves the site
 * itself out: at the edge between two views it sees its own signature, k/2 and those of the corrupt sites. On the full
 * graph 2t > n + c already forbids two views with t signatures each.
 */
export function countsAsWitness(session: Session, index: number, signer: number): boolean {
  return session.graph.complete || signer !== index;
}

/**
 * Live neighbours that a site must see, itself not counted. On the ring it is t: a cut needs k/2 consecutive bad
 * sites, and the site beside it would see fewer. On the full graph its own share counts too, so it is t - 1.
 */
export function neededNeighbours(session: Session, config: RoundConfig): number {
  return session.graph.complete ? config.threshold - 1 : config.threshold;
}
