/** How the verbs of members reach the aggregator: by flags, or by the variables of the site's service. @module */
import type { OutboundConfig } from "../src/federation/mod.ts";
import { environmentName } from "./_config_paths.ts";
import { serviceEnvironment } from "./_environment.ts";

/** Authorities, client certificate and proxy of a command; a flag wins over `FEDKIM_CLIENT_…`. */
export function outboundOf(flags: OutboundConfig): OutboundConfig {
  const environment = serviceEnvironment("client");
  const value = (field: keyof OutboundConfig) =>
    flags[field] ?? environment[environmentName("client", field)];
  return {
    caFile: value("caFile"),
    clientCert: value("clientCert"),
    clientKey: value("clientKey"),
    proxy: value("proxy"),
  };
}
