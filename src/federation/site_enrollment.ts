import { join } from "node:path";
import { signLabelled } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import { missingPermission } from "../formats/missing_permission.ts";
import { ENROLL_LABEL, enrollmentStatement } from "./enrollment_book.ts";
import { createIdentity, exists, readIdentity } from "./identity_file.ts";
import { decodeInvite } from "./invite.ts";
import { fromProblem } from "./problem.ts";
import { pinAggregator, requireSameAggregator, SITE_FILES } from "./site_state.ts";
import { causesOf, outboundClient, type OutboundConfig, tlsRemedy } from "./tls_client.ts";

/** How long an enrolment waits for a replica that leads, and between two questions, milliseconds. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 500;

/**
 * Accepts an invite: makes the site's identity, pins the aggregator's key and enrolls the public key. May be repeated
 * with the same invite after a lost connection.
 * @param stateFolder the site's state folder
 * @param token the invite's text
 * @param outbound authorities, client certificate and proxy
 * @returns the site's name, the aggregator's URL and the site's public key, to be compared with other hospitals
 */
export async function acceptInvite(
  stateFolder: string,
  token: string,
  outbound: OutboundConfig = {},
): Promise<{ site: string; url: string; publicKey: string }> {
  const invite = decodeInvite(token);
  await requireSameAggregator(stateFolder, invite);
  const path = join(stateFolder, SITE_FILES.identity);
  const identity = await exists(path) ? await readIdentity(path) : await createIdentity(path, invite.site);
  if (identity.id !== invite.site) {
    throw new FedKimError("ConfigError", "The invite is for another site.", {
      found: `invite for ${invite.site}, identity of ${identity.id}`,
      remedy: "use another state folder",
    });
  }
  const publicKey = toHex(identity.publicKey);
  const statement = enrollmentStatement(invite.site, invite.secret, publicKey);
  const http = await outboundClient(outbound);
  try {
    const response = await patiently(() =>
      fetch(`${invite.url.replace(/\/+$/, "")}/v1/enroll`, {
        method: "POST",
        redirect: "manual", // an invite's secret is for its own address
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          site: invite.site,
          secret: invite.secret,
          publicKey,
          signature: toHex(signLabelled(identity, ENROLL_LABEL, statement)),
        }),
        ...(http === undefined ? {} : { client: http }),
      })
    );
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw fromProblem(answer, response.status);
  } catch (cause) {
    if (cause instanceof FedKimError) throw cause;
    throw missingPermission(cause) ??
      new FedKimError("NetworkError", "The aggregator of the invite cannot be reached.", {
        found: `${invite.url}: ${causesOf(cause).join(": ") || String(cause)}`,
        remedy: tlsRemedy(cause) ??
          "check the network and that the aggregator runs, then accept the invite again",
        cause,
      });
  } finally {
    http?.close();
  }
  await pinAggregator(stateFolder, invite);
  return { site: invite.site, url: invite.url, publicKey };
}

/** Asks again while no replica leads, or the aggregator is just starting. */
async function patiently(ask: () => Promise<Response>): Promise<Response> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const response = await ask();
    if (response.status !== 503 || Date.now() > end) return response;
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
