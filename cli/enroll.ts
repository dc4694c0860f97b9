import {
  acceptInvite,
  decodeInvite,
  encodeInvite,
  EnrollmentBook,
  rotateKey,
} from "../src/federation/mod.ts";
import { FedKimError } from "../src/formats/errors.ts";
import { outboundOf } from "./_outbound.ts";
import { aggregatorSkew, NOTABLE_SKEW_MS } from "./_site_checks.ts";
import type { Options } from "./args.ts";
import { untilInterrupted } from "./signals.ts";
import { out } from "./terminal.ts";

/** `fedkim enroll`: invite or revoke a member (consortium), accept an invite or rotate the key (site). */
export async function enroll(options: Options<"enroll">): Promise<void> {
  const print = (value: object, text: string) => out.result(options.json ? JSON.stringify(value) : text);
  if (options.invite !== undefined) {
    const skew = await aggregatorSkew(decodeInvite(options.invite).url, outboundOf(options));
    if (skew > NOTABLE_SKEW_MS) {
      out.note(`The clocks differ by ${Math.round(skew / 1000)} s: set this machine's clock (NTP).`);
    }
    const accepted = await acceptInvite(options.state, options.invite, outboundOf(options));
    return print({ ...accepted, next: policyCommand(options.state) }, nextStep(options.state, accepted));
  }
  if (options.rotate) {
    const rotated = await rotateKey(options.state, untilInterrupted(), outboundOf(options));
    return print(
      rotated,
      `${rotated.site} has a new key. Give it to the other hospitals, whose policies may name the old one: ${rotated.publicKey}`,
    );
  }
  if (options.revoke !== undefined) {
    const { revoke } = options;
    await withBook(options, (book) => book.revoke(revoke));
    return print({ revoked: revoke }, `${revoke} is revoked: its requests are refused from now on.`);
  }
  const { site, url, role } = options;
  if (site === undefined || url === undefined) {
    throw new FedKimError("ConfigError", "There is nothing to do.", {
      needed:
        "--invite TOKEN or --rotate at a site; --site NAME with --url URL, or --revoke NAME, at the consortium",
    });
  }
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new FedKimError("ConfigError", "Sites could not reach this address.", {
      found: `--url ${url}`,
      needed: "a whole URL such as https://fed.example.org",
    });
  }
  const token = encodeInvite(await withBook(options, (book) => book.invite(site, url, role)));
  print({ site, role, invite: token }, token);
}

async function withBook<T>(
  { state, store }: Options<"enroll">,
  work: (book: EnrollmentBook) => Promise<T>,
): Promise<T> {
  const book = await EnrollmentBook.open(state, store);
  try {
    return await work(book);
  } finally {
    await book.close();
  }
}

function nextStep(state: string, { site, url, publicKey }: Awaited<ReturnType<typeof acceptInvite>>): string {
  return [
    `Enrolled as ${site} with ${url}.`,
    `This site's public key, for the other hospitals: ${publicKey}`,
    "Collect the keys of the other hospitals out of band and write them to a JSON object of names and keys.",
    `Next: ${policyCommand(state)}`,
  ].join("\n");
}

const policyCommand = (state: string): string =>
  `fedkim policy --state ${state} --epsilon 8 --delta 1e-5 --minimum-sites 3 --peers peers.json`;
