/** What `fedkim doctor` checks of the way to the aggregator: it answers, its certificate, the clocks. @module */
import { connect } from "node:tls";
import { type ClientConfig, readPinnedAggregator } from "../src/federation/mod.ts";
import { type Check, check } from "./_doctor_check.ts";
import { askAggregator, NOTABLE_SKEW_MS } from "./_site_checks.ts";

/** A certificate that ends sooner is reported, days. */
const RENEW_DAYS = 14;
/** How long a TLS handshake may take, milliseconds. */
const HANDSHAKE_MS = 10_000;
const DAY_MS = 86_400_000;

/** Checks the pinned aggregator as the site would reach it: with its authority, certificate and proxy. */
export async function networkChecks(config: ClientConfig): Promise<Check[]> {
  let url = "";
  let skewMs = NaN;
  const reached = await check("aggregator", "check the address, the proxy and the firewall", async () => {
    ({ url } = await readPinnedAggregator(config.state));
    const answer = await askAggregator(url, config);
    if (answer.status !== 200) throw new Error(`${url}/healthz answers ${answer.status}`);
    ({ skewMs } = answer);
    return `${url} answers${config.proxy === undefined ? "" : " through the proxy"}`;
  });
  if (!reached.ok) return [reached];
  const clock = await check("clock", "set this machine's clock (NTP)", () => {
    if (Number.isNaN(skewMs)) throw new Error("the aggregator's answer carries no date");
    const seconds = Math.round(skewMs / 1000);
    if (skewMs > NOTABLE_SKEW_MS) {
      throw new Error(`the clocks of this machine and the aggregator differ by ${seconds} s`);
    }
    return `within ${seconds + 1} s of the aggregator's`;
  });
  const remedy =
    "use an https address where the aggregator is reached over a network, and have its certificate renewed";
  return [reached, clock, await check("TLS certificate", remedy, () => certificate(url, config))];
}

async function certificate(url: string, { proxy }: ClientConfig): Promise<string> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === "http:") {
    if (hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]") {
      return "none: on this machine";
    }
    throw new Error(`${url} is not encrypted`);
  }
  if (proxy !== undefined) return "trusted; its end cannot be read through a proxy";
  const end = await validTo(hostname, port === "" ? 443 : Number(port));
  const days = Math.floor((Date.parse(end) - Date.now()) / DAY_MS);
  if (!(days >= RENEW_DAYS)) throw new Error(`the aggregator's certificate ends in ${days} days, on ${end}`);
  return `trusted, ends in ${days} days`;
}

/** When the other side's certificate ends. Its chain was checked by the request before. */
function validTo(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: host, rejectUnauthorized: false });
    socket.setTimeout(HANDSHAKE_MS, () => socket.destroy(new Error("no answer to the TLS handshake")));
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const { valid_to } = socket.getPeerCertificate();
      socket.destroy();
      resolve(valid_to);
    });
  });
}
