import { join } from "node:path";
import { ledgerStatement } from "./ledger_statement.ts";
import { withAggregator } from "./member_client.ts";
import { SITE_FILES } from "./site_state.ts";
import type { OutboundConfig } from "./tls_client.ts";

/**
 * Asks the aggregator for a one-time link to its dashboard, as the member whose state folder it is.
 * @param stateFolder state folder of a site, an operator or an auditor
 * @param signal stops everything
 * @param outbound authorities, client certificate and proxy
 * @returns an address that a browser can open once
 * @throws FedKimError `AuthenticationError` for a revoked member, `NetworkError` without an answer
 */
export async function dashboardLink(
  stateFolder: string,
  signal: AbortSignal,
  outbound: OutboundConfig = {},
): Promise<string> {
  return await withAggregator(stateFolder, signal, outbound, async ({ client, url }) => {
    const { path } = await client.postJson<{ path: string }>("/v1/ticket", {});
    // The aggregator may be below a path of a reverse proxy that it knows nothing of.
    return url.replace(/\/+$/, "") + path;
  });
}

/**
 * Tells the aggregator what this site's ledger says, so that the federation's report has it. Nothing but the budgets,
 * what is spent of them and the ledger's position leaves the site.
 * @param stateFolder state folder of a site
 * @param signal stops everything
 * @param outbound authorities, client certificate and proxy
 * @returns number of the ledger's last entry
 * @throws FedKimError as {@link dashboardLink}, `ConfigError` without a ledger, `LedgerError` for a damaged one
 */
export async function shareLedger(
  stateFolder: string,
  signal: AbortSignal,
  outbound: OutboundConfig = {},
): Promise<number> {
  const statement = await ledgerStatement(join(stateFolder, SITE_FILES.ledger));
  await withAggregator(
    stateFolder,
    signal,
    outbound,
    ({ client }) => client.postJson("/v1/ledger", statement),
  );
  return statement.head.sequence;
}
