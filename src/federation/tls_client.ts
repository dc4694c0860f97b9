import { FedKimError } from "../formats/errors.ts";
import { certificatesOf, readCertificatePair, readPem } from "./tls.ts";

/** How a site reaches its aggregator; everything is optional. */
export interface OutboundConfig {
  /** PEM file of further authorities that may vouch for the aggregator, beside the system's. */
  readonly caFile?: string | undefined;
  /** PEM file of this site's client certificate, where the aggregator asks for one. */
  readonly clientCert?: string | undefined;
  /** PEM file of its private key. */
  readonly clientKey?: string | undefined;
  /** HTTP proxy, e.g. `http://proxy.hospital.example:3128`; user and password may stand in it. */
  readonly proxy?: string | undefined;
}

/**
 * The HTTP client of these settings; undefined where the platform's own will do. TLS only hides the traffic and guards
 * against a foreign server: who the aggregator is, its pinned Ed25519 key says.
 * @returns a client that the caller closes
 * @throws FedKimError `ConfigError` for files that cannot be used, or one of certificate and key without the other
 */
export async function outboundClient(config: OutboundConfig): Promise<Deno.HttpClient | undefined> {
  const { caFile, clientCert, clientKey, proxy } = config;
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new FedKimError("ConfigError", "A client certificate and its key go together.", {
      found: `only ${clientCert === undefined ? "clientKey" : "clientCert"}`,
      needed: "both clientCert and clientKey, or neither",
    });
  }
  if (caFile === undefined && clientCert === undefined && proxy === undefined) return undefined;
  const authorities = caFile === undefined ? undefined : await readPem(caFile, "CERTIFICATE");
  if (authorities !== undefined) certificatesOf(authorities, caFile!);
  return Deno.createHttpClient({
    ...(authorities === undefined ? {} : { caCerts: [authorities] }),
    ...(proxy === undefined ? {} : { proxy: proxyOf(proxy) }),
    ...(clientCert === undefined ? {} : await readCertificatePair(clientCert, clientKey!)),
  });
}

/** A proxy's address with the user and password that stand in it. */
function proxyOf(text: string): Deno.Proxy {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    // The address may hold a password, so it is not repeated here.
    throw new FedKimError("ConfigError", "The proxy's address is not valid.", {
      needed: "an address such as http://proxy.hospital.example:3128",
    });
  }
  const { username, password } = url;
  const address = `${url.protocol}//${url.host}`;
  if (username === "") return { transport: "http", url: address };
  const basicAuth = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { transport: "http", url: address, basicAuth };
}

/**
 * What a failed connection says about TLS, in words; undefined where it failed for another reason.
 * @param error what `fetch` threw
 */
export function tlsRemedy(error: unknown): string | undefined {
  const text = causesOf(error).join(" ");
  if (/UnknownIssuer|BadSignature|self.signed/i.test(text)) {
    return "the aggregator's certificate is not from an authority that this site trusts: set caFile to the private " +
      "authority's certificate, and tell the consortium if nobody set one up";
  }
  if (/NotValidForName/i.test(text)) {
    return "the certificate is for another host name: check the address, or have the certificate renewed for it";
  }
  if (/Expired|NotValidYet/i.test(text)) {
    return "the aggregator's certificate is not valid now: check both clocks, then have it renewed";
  }
  if (/CertificateRequired|BadCertificate|UnknownCA|CertificateUnknown|close_notify/i.test(text)) {
    return "the aggregator ended the TLS handshake, as it does where it wants a client certificate of its own " +
      "authority: set clientCert and clientKey, or check that they are from that authority";
  }
  return undefined;
}

/** The messages of an error and of all that caused it. */
export function causesOf(error: unknown): string[] {
  const messages: string[] = [];
  for (let at = error; at instanceof Error && messages.length < 8; at = at.cause) messages.push(at.message);
  return messages;
}
