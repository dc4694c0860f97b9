import { equalBytes } from "./_bytes.ts";
import { checkSender } from "./_server_checks.ts";
import { belowThreshold, protocolAbort } from "./errors.ts";
import { verifyLabelled } from "./identity.ts";
import { IndexSet } from "./index_set.ts";
import { commitStatement, vectorRoot } from "./masked_vector.ts";
import type { CommitVectorMessage, MaskedChunkMessage, SurvivorsMessage } from "./messages.ts";
import { addWire, checkWire } from "./ring_vector.ts";
import { chunkCount, chunkRange } from "./round_config.ts";
import type {
  Acceptance,
  ServerCertifying,
  ServerCollecting,
  ServerSummed,
  ServerUnmasking,
} from "./server_state.ts";
import { encodeMessage } from "./codec.ts";
import { recordRoot, sharedStatement, transcriptHash } from "./transcript.ts";
import { aliveNeighbours, neededNeighbours } from "./session.ts";

/**
 * Phase 2: stages one chunk. Nothing is added to the sum before the commit.
 * @throws SecAggError for a wrong place or length, a coordinate outside the ring, or a different chunk in its place
 */
export function acceptChunk(
  state: ServerCollecting,
  from: string,
  message: MaskedChunkMessage,
): Acceptance {
  const { config, provider, stage } = state.context;
  const index = checkSender(state, from, message, state.shared);
  const { chunk, payload } = message;
  if (chunk >= chunkCount(config)) {
    throw protocolAbort("chunk_out_of_range", "A chunk lies outside the vector.", {
      found: `chunk ${chunk}`,
      needed: `below ${chunkCount(config)}`,
      blamed: [from],
    });
  }
  checkWire(config.wireForm, config.ringBits, payload, chunkRange(config, chunk).length);
  const hash = provider.sha256(payload);
  const upload = state.uploads.get(index) ?? { chunkHashes: new Map<number, Uint8Array>(), staged: false };
  const before = upload.chunkHashes.get(chunk);
  if (before !== undefined && !equalBytes(before, hash)) {
    throw protocolAbort(
      "conflicting_message",
      "A site sent two different chunks for one place of its vector.",
      {
        found: `chunk ${chunk} of ${from}`,
        remedy: "resume with the stored, byte-identical vector, or give the session up",
        blamed: [from],
        evidence: [stage.get(index, chunk)?.slice() ?? before, encodeMessage(message)],
      },
    );
  }
  if (state.committed.has(index) || stage.get(index, chunk) !== undefined) return { kind: "duplicate" };
  return {
    kind: "accept",
    apply: () => {
      upload.chunkHashes.set(chunk, hash);
      upload.staged = true;
      state.uploads.set(index, upload);
      stage.put(index, chunk, payload);
    },
  };
}

/**
 * Phase 2: adds a complete vector to the sum, all of it or nothing.
 * @throws SecAggError if a chunk is missing, or root or signature do not fit
 */
export function acceptCommit(
  state: ServerCollecting,
  from: string,
  message: CommitVectorMessage,
): Acceptance {
  const { config, provider, stage, enrolled } = state.context;
  const index = checkSender(state, from, message, state.shared);
  const { sid } = state.session;
  const chunks = Array.from({ length: chunkCount(config) }, (_, chunk) => stage.get(index, chunk));
  const hashes = state.uploads.get(index)?.chunkHashes;
  if (hashes === undefined || chunks.some((payload) => payload === undefined)) {
    throw protocolAbort("incomplete_vector", "A vector is committed before all of its chunks are here.", {
      found: `${chunks.filter((payload) => payload !== undefined).length} chunks of ${from}`,
      needed: `${chunks.length}`,
      remedy: "send the missing chunks, then commit again",
    });
  }
  const root = vectorRoot(provider, sid, index, chunks.map((_, chunk) => hashes.get(chunk)!));
  if (!equalBytes(root, message.vectorRoot)) {
    throw protocolAbort("vector_root_mismatch", "The committed vector is not the one that was uploaded.", {
      blamed: [from],
    });
  }
  const statement = commitStatement(sid, index, root);
  if (!verifyLabelled(enrolled.get(from)!, "commit_vector", statement, message.signature, provider)) {
    throw protocolAbort("bad_signature", "The commit is not signed by its site.", { blamed: [from] });
  }
  if (!signsShared(state, from, message)) {
    throw protocolAbort("bad_signature", "The vector is masked for another set of sites.", {
      blamed: [from],
    });
  }
  return {
    kind: "accept",
    apply: () => {
      chunks.forEach((payload, chunk) => {
        const { start, length } = chunkRange(config, chunk);
        addWire(config.wireForm, payload!, state.accumulator.subarray(start, start + length));
      });
      releaseUpload(state, index);
      state.committed.set(index, message);
    },
  };
}

/** In `default` a commit is signed with U1 too, in the other profiles it is not. */
function signsShared(
  { context, session, shared }: ServerCollecting,
  from: string,
  { sharedSignature }: CommitVectorMessage,
): boolean {
  const { config, provider, enrolled } = context;
  if (config.profile !== "default") return sharedSignature === undefined;
  const statement = sharedStatement(provider, session.sid, shared);
  return sharedSignature !== undefined &&
    verifyLabelled(enrolled.get(from)!, "sign_shared", statement, sharedSignature, provider);
}

/** Forgets the staged chunks of an upload, but not their hashes: only the very same chunks can come again. */
export function releaseUpload(state: ServerCollecting, index: number): void {
  const upload = state.uploads.get(index);
  if (upload === undefined) return;
  upload.staged = false;
  state.context.stage.drop(index);
}

/**
 * Ends phase 2: fixes U2; uploads that were not committed are forgotten.
 * @throws SecAggError BelowThreshold if the sum may not, or could not, be revealed
 */
export function closeMaskedInput(state: ServerCollecting): ServerCertifying | ServerUnmasking {
  const { context, session, adverts, indexOf, shared, shares, accumulator } = state;
  const { config, provider } = context;
  for (const index of state.uploads.keys()) releaseUpload(state, index);
  const survivors = IndexSet.of(session.n, state.committed.keys());
  if (survivors.size < config.nMin) {
    throw belowThreshold("too_few_survivors", "sites uploaded a vector", survivors.size, config.nMin);
  }
  for (const index of survivors) {
    const around = aliveNeighbours(session, index, survivors);
    const needed = neededNeighbours(session, config);
    if (around < needed) {
      throw belowThreshold("too_few_neighbours", "neighbours of a site uploaded a vector", around, needed);
    }
  }
  const root = recordRoot(
    provider,
    [...shared].map((index) => provider.sha256(encodeMessage(shares.get(index)!))),
    [...survivors].map((index) => state.committed.get(index)!.vectorRoot),
  );
  const transcript = transcriptHash(provider, { sid: session.sid, shared, survivors, recordRoot: root });
  const summed: ServerSummed = {
    context,
    session,
    adverts,
    indexOf,
    shared,
    commitments: new Map([...shared].map((index) => [index, shares.get(index)!.commitment])),
    survivors,
    accumulator,
    recordRoot: root,
    transcript,
  };
  if (config.profile === "strict") return { ...summed, phase: "sign_survivors", signatures: new Map() };
  const signatures = [...state.committed].flatMap(([index, { sharedSignature }]) =>
    sharedSignature === undefined ? [] : [[index, { index, signature: sharedSignature }] as const]
  );
  return { ...summed, phase: "unmask", signatures: new Map(signatures), answers: new Map() };
}

/** U2, to be signed (`strict`). */
export function survivorsMessage({ session, survivors, recordRoot }: ServerCertifying): SurvivorsMessage {
  return { type: "survivors", sid: session.sid, survivors, recordRoot };
}
