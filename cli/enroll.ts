import { acceptInvite, encodeInvite, EnrollmentBook } from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import type { Options } from "./args.ts";
import { out } from "./terminal.ts";

/** `fedkim enroll`: invite a site (consortium) or accept an invite (site). */
export async function enroll(options: Options<"enroll">): Promise<void> {
  if (options.invite !== undefined) {
    const accepted = await acceptInvite(options.state, options.invite);
    return out.result(options.json ? JSON.stringify(accepted) : nextStep(options.state, accepted));
  }
  if (options.site === undefined || options.url === undefined) {
    throw new FedKimError("ConfigError", "There is nothing to do.", {
      needed: "--invite TOKEN at a site, or --site NAME and --url URL at the consortium",
    });
  }
  const book = await EnrollmentBook.open(options.state);
  const token = encodeInvite(await book.invite(options.site, options.url));
  out.result(options.json ? JSON.stringify({ site: options.site, invite: token }) : token);
}

function nextStep(state: string, { site, url, publicKey }: Awaited<ReturnType<typeof acceptInvite>>): string {
  return [
    `Enrolled as ${site} with ${url}.`,
    `This site's public key, for the other hospitals: ${publicKey}`,
    `Next: fedkim policy --state ${state} --epsilon 8 --delta 1e-5 --minimum-sites 3 --peers peers.json`,
  ].join("\n");
}
