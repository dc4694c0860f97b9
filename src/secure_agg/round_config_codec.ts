import { FedKimError } from "../formats/errors.ts";
import { ByteReader, ByteWriter } from "./_byte_codec.ts";
import { taggedHash } from "./_tagged_hash.ts";
import type { CryptoProvider } from "./crypto_provider.ts";
import { nativeProvider } from "./native_provider.ts";
import type { Profile, RoundConfig } from "./round_config.ts";
import { checkRoundConfig } from "./round_config_check.ts";
import type { WireForm } from "./ring_vector.ts";

const VERSION = 1;
const PROFILES: readonly Profile[] = ["curious", "default", "strict"];
const WIRE_FORMS: readonly WireForm[] = ["word32", "packed20"];

/** The canonical bytes of a configuration. */
export function encodeRoundConfig(config: RoundConfig): Uint8Array {
  return new ByteWriter()
    .uint(1, VERSION)
    .text(config.taskId)
    .uint64(config.roundId)
    .uint(1, PROFILES.indexOf(config.profile))
    .uint(2, config.graph.kind === "full" ? 0 : config.graph.degree)
    .uint(2, config.threshold)
    .uint(2, config.nMin)
    .uint(2, config.nMax)
    .uint(2, config.colluders)
    .uint(4, config.gammaMillionths)
    .raw(config.enrolledHash)
    .raw(config.modelHash)
    .raw(config.planHash)
    .uint(4, config.dimension)
    .uint(1, config.ringBits)
    .uint(1, WIRE_FORMS.indexOf(config.wireForm))
    .uint(4, config.chunkCoordinates)
    .uint(4, config.coordinateBound)
    .finish();
}

function unreadable(found: string, needed: string): FedKimError {
  return new FedKimError("ConfigError", "A round configuration cannot be read.", {
    found,
    needed,
    remedy: "run the same version on both sides",
  });
}

function choice<T>(name: string, values: readonly T[], index: number): T {
  if (index < values.length) return values[index];
  throw unreadable(`${name} number ${index}`, `a number below ${values.length}`);
}

/**
 * Reads and checks a configuration.
 * @throws SecAggError malformed_message for bytes of another shape; FedKimError ConfigError for unsafe values
 */
export function decodeRoundConfig(bytes: Uint8Array): RoundConfig {
  const reader = new ByteReader(bytes);
  const version = reader.uint(1);
  if (version !== VERSION) throw unreadable(`version ${version}`, `version ${VERSION}`);
  const taskId = reader.text();
  const roundId = reader.uint64();
  const profile = choice("profile", PROFILES, reader.uint(1));
  const degree = reader.uint(2);
  const config: RoundConfig = {
    taskId,
    roundId,
    profile,
    graph: degree === 0 ? { kind: "full" } : { kind: "ring", degree },
    threshold: reader.uint(2),
    nMin: reader.uint(2),
    nMax: reader.uint(2),
    colluders: reader.uint(2),
    gammaMillionths: reader.uint(4),
    enrolledHash: reader.copy(32),
    modelHash: reader.copy(32),
    planHash: reader.copy(32),
    dimension: reader.uint(4),
    ringBits: reader.uint(1),
    wireForm: choice("wire form", WIRE_FORMS, reader.uint(1)),
    chunkCoordinates: reader.uint(4),
    coordinateBound: reader.uint(4),
  };
  reader.end();
  checkRoundConfig(config);
  return config;
}

/** cfgHash: SHA-256 over the canonical bytes. Every advertised key is signed together with it. */
export function roundConfigHash(config: RoundConfig, provider: CryptoProvider = nativeProvider): Uint8Array {
  return taggedHash(provider, "round_config", encodeRoundConfig(config));
}
