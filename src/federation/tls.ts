import { createPrivateKey, X509Certificate } from "node:crypto";
import { FedKimError } from "../formats/errors.ts";

/** Where a server's certificate and key lie; PEM files. */
export interface TlsFiles {
  /** Certificate chain, the server's own first. */
  readonly cert: string;
  /** Private key of the first certificate, PKCS #8. */
  readonly key: string;
  /** Authorities of client certificates; where given, a client without such a certificate is refused. */
  readonly clientCa?: string | undefined;
  /**
   * Authorities that vouch for the other replicas, beside the system's. Where `clientCa` is given, replicas show each
   * other `cert`, which must then be from such an authority too.
   */
  readonly peerCa?: string | undefined;
}

/** What a server needs for TLS, read and checked. */
export interface TlsMaterial {
  /** Certificate chain, PEM. */
  readonly cert: string;
  /** Private key, PEM. */
  readonly key: string;
  /** Authorities of client certificates, PEM. */
  readonly clientCa?: string;
}

/**
 * Reads a server's TLS files.
 * @throws FedKimError `ConfigError` for a file that cannot be read or is not PEM, a key of another certificate, or a
 * certificate that is not valid now
 */
export async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const pair = await readCertificatePair(files.cert, files.key);
  if (files.clientCa === undefined) return pair;
  const clientCa = await readPem(files.clientCa, "CERTIFICATE");
  certificatesOf(clientCa, files.clientCa);
  return { ...pair, clientCa };
}

/**
 * Reads a certificate and its key and checks that they belong together.
 * @throws FedKimError as {@link readTls}
 */
export async function readCertificatePair(
  certFile: string,
  keyFile: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const cert = await readPem(certFile, "CERTIFICATE");
  const key = await readPem(keyFile, "PRIVATE KEY");
  const [own] = certificatesOf(cert, certFile);
  requireValidNow(own, certFile);
  if (!belongTogether(own, key)) {
    throw new FedKimError("ConfigError", "A TLS key does not belong to its certificate.", {
      found: `${keyFile} beside ${certFile}`,
      needed: "the unencrypted private key (PKCS #8, PEM) of the first certificate in the file",
    });
  }
  return { cert, key };
}

/**
 * Every certificate of a PEM text, in its order.
 * @param file where the text comes from, for the error
 * @throws FedKimError `ConfigError` where one cannot be parsed
 */
export function certificatesOf(pem: string, file: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new FedKimError("ConfigError", "A TLS certificate cannot be read.", {
      found: file,
      needed: "X.509 certificates in PEM form",
      cause,
    });
  }
}

/**
 * Reads a PEM file.
 * @param label what must be in it, e.g. `CERTIFICATE`
 * @throws FedKimError `ConfigError` where it is missing, unreadable or holds no such block
 */
export async function readPem(file: string, label: "CERTIFICATE" | "PRIVATE KEY"): Promise<string> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (cause) {
    throw new FedKimError("ConfigError", "A TLS file cannot be read.", {
      found: `${file}: ${cause instanceof Error ? cause.name : String(cause)}`,
      remedy: "correct the path, or let this program's user read the file",
      cause,
    });
  }
  if (!new RegExp(`-----BEGIN (?:[A-Z]+ )?${label}-----`).test(text)) {
    throw new FedKimError("ConfigError", "A TLS file does not hold what it should.", {
      found: `${file} without a block "${label}"`,
      needed: "PEM text; a key must not be encrypted",
    });
  }
  return text;
}

function requireValidNow(certificate: X509Certificate, file: string): void {
  const now = Date.now();
  if (Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo)) return;
  throw new FedKimError("ConfigError", "A TLS certificate is not valid now.", {
    found: `${file}: valid from ${certificate.validFrom} to ${certificate.validTo}`,
    remedy: "renew the certificate, or set this machine's clock",
  });
}

function belongTogether(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
