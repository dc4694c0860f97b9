import type { Mutation } from "./_mutation.ts";
import { CLIENT_MUTATIONS } from "./_mutations_client.ts";
import { REVIEW_MUTATIONS } from "./_mutations_review.ts";
import { SERVER_MUTATIONS } from "./_mutations_server.ts";

/** Every guard of the protocol, each with the test that notices its absence. */
export const MUTATIONS: readonly Mutation[] = [...CLIENT_MUTATIONS, ...SERVER_MUTATIONS, ...REVIEW_MUTATIONS];
