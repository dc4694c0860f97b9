/**
 * Taking the masks out of a sum, by ranges of coordinates. ChaCha20 can start at any block, so whoever has the keys can
 * expand all masks of its own range, and nothing but that range travels.
 *
 * - {@link pooledEngine} spreads the ranges over Workers of this process.
 * - {@link sharedEngine} spreads them over the replicas on one store: each range is a job, and the number of its claim
 *   is a fencing token, so that a replica that stalled cannot hand in anything any more.
 * - {@link helpUnmasking} is what a replica that does not lead does meanwhile.
 *
 * The keys in a job are those that the sites have released to this aggregator, and that its round log holds anyway.
 *
 * @module
 */
export { helpUnmasking } from "./help_unmasking.ts";
export { type PooledEngine, pooledEngine } from "./pooled_engine.ts";
export { sharedEngine, type SharedEngineOptions } from "./shared_engine.ts";
