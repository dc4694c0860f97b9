/**
 * Secure aggregation: sites upload masked vectors, the server learns their exact sum and nothing else.
 *
 * The protocol is SecAgg (Bonawitz et al. 2017) with signed keys, on the full graph or on the ring of SecAgg+ (Bell
 * et al. 2020), with a signed-survivor round in the `strict` profile. One file per phase and side; a phase is a
 * function of state and message that gives the next state or an abort, so an illegal call does not compile.
 * {@link SecAggClient} and {@link SecAggServer} drive the phases from raw bytes; {@link makeRoundConfig} sets a round
 * up and refuses unsafe or overflowing parameters; {@link graphParams} chooses graph and thresholds.
 * The folder knows nothing of models, HTTP or privacy accounting: it takes canonical residues mod 2^b and gives
 * their sum. `docs/protocol.md` describes every byte.
 *
 * @module
 */
export { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
export { ERROR_EXIT_STATUS, type ErrorCode, type ErrorDetails, FedKimError } from "../formats/errors.ts";
export { type AbortReason, type SecAggCode, SecAggError, type SecAggErrorDetails } from "./errors.ts";
export { SecretBytes } from "./secret_bytes.ts";
export type { CryptoProvider } from "./crypto_provider.ts";
export { nativeProvider } from "./native_provider.ts";
export { nobleProvider } from "./noble_provider.ts";
export {
  type Enrolled,
  enrolledHash,
  generateIdentity,
  type Identity,
  identityFromPrivateKey,
  isClientId,
  signLabelled,
  verifyLabelled,
} from "./identity.ts";
export {
  chunkCount,
  chunkRange,
  makeRoundConfig,
  type Profile,
  type RoundConfig,
  type RoundConfigFields,
} from "./round_config.ts";
export { checkRoundConfig, MAX_CLIENTS } from "./round_config_check.ts";
export { decodeRoundConfig, encodeRoundConfig, roundConfigHash } from "./round_config_codec.ts";
export {
  type CohortAssumptions,
  type CohortParams,
  defaultMinimumSurvivors,
  defaultThreshold,
  graphParams,
  randomDropoutRing,
  type RingAssumptions,
  type RingParams,
  targetedDropoutRing,
} from "./graph_params.ts";
export { type SplitViewCohort, worstLegalSplit } from "./split_view_bound.ts";
export { fullGraph, type Graph, graphPermutation, type Neighbourhoods, ringGraph } from "./graph.ts";
export { IndexSet } from "./index_set.ts";
export {
  type Membership,
  type PeerStatus,
  peerStatus,
  releasedShareKind,
  type ShareKind,
} from "./peer_status.ts";
export type {
  AbortMessage,
  AdvertiseKeysMessage,
  ClientMessage,
  CommitVectorMessage,
  DeliveredShare,
  DeliverSharesMessage,
  MaskedChunkMessage,
  Message,
  ReleasedShare,
  RosterEntry,
  RosterMessage,
  ServerMessage,
  ShareCiphertext,
  ShareKeysMessage,
  SignSurvivorsMessage,
  SurvivorSignature,
  SurvivorsMessage,
  UnmaskMessage,
  UnmaskRequestMessage,
} from "./messages.ts";
export { decodeMessage, encodeMessage, HEADER_BYTES, messageType } from "./codec.ts";
export {
  defaultEngine,
  fastestEngine,
  type MaskEngine,
  type MaskJob,
  streamEngine,
  wasmEngine,
} from "./mask_engine.ts";
export { type MaskWorkerPool, maskWorkerPool } from "./mask_worker_pool.ts";
export type { WireForm } from "./ring_vector.ts";
export { advertLeaf, openSession, type Session } from "./session.ts";
export { recoverShares, splitSecret } from "./shamir.ts";
export type {
  ClientAborted,
  ClientAwaitingInput,
  ClientAwaitingRoster,
  ClientAwaitingShares,
  ClientAwaitingSurvivors,
  ClientAwaitingUnmask,
  ClientContext,
  ClientDone,
  ClientFrozen,
  ClientState,
  HeldShares,
  Peer,
  SecretMask,
} from "./client_state.ts";
export type { Step, StepAbort, StepNext } from "./client_step.ts";
export { advertiseKeys } from "./client_advertise_keys.ts";
export { shareKeys } from "./client_share_keys.ts";
export { receiveShares } from "./client_receive_shares.ts";
export { type MaskedInput, maskInput } from "./client_masked_input.ts";
export { signSurvivors } from "./client_sign_survivors.ts";
export { unmask } from "./client_unmask.ts";
export { vectorMessages, type VectorOwner } from "./masked_vector.ts";
export { type FrozenVectorStore, resumeUpload, sessionName } from "./frozen_vector.ts";
export { type ClientPhase, type ClientStep, SecAggClient, type SecAggClientOptions } from "./client.ts";
export { recordRoot, sharedStatement, type Transcript, transcriptHash } from "./transcript.ts";
export { type Blame } from "./blame.ts";
export { type ChunkStage, memoryStage } from "./chunk_stage.ts";
export type {
  Acceptance,
  RoundResult,
  ServerAborted,
  ServerAdvertising,
  ServerCertifying,
  ServerCollecting,
  ServerContext,
  ServerFinished,
  ServerRoster,
  ServerShared,
  ServerSharing,
  ServerState,
  ServerSummed,
  ServerUnmasking,
  Upload,
} from "./server_state.ts";
export { type Receipt, SecAggServer, type SecAggServerOptions, type ServerEvent } from "./server.ts";
export { type CostModel, costModel, type PartyCost } from "./cost_model.ts";
export type { Extrapolation } from "./extrapolation.ts";
export {
  type MeasuredCost,
  simulate,
  type SimulatedRoundReport,
  type SimulationOptions,
  type Spread,
} from "./simulation.ts";
export type { CpuClock } from "./_simulated_cost.ts";
