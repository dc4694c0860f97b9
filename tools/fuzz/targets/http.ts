import { readArguments } from "../../../cli/args.ts";
import { fromProblem } from "../../../src/federation/problem.ts";
import { RequestVerifier, signRequest } from "../../../src/federation/request_auth.ts";
import { ERROR_EXIT_STATUS, FedKimError } from "../../../src/formats/errors.ts";
import { identityFromPrivateKey } from "../../../src/secure_agg/mod.ts";
import { type Service, withService } from "../../../tests/federation/api/_service.ts";
import { type FuzzTarget, jsonBytes, jsonValueOf, law, LawBroken, textOf, utf8 } from "../target.ts";

const key = identityFromPrivateKey("a", new Uint8Array(32).fill(7));

let running: Promise<Service> | undefined;
let stop: () => void = () => {};
let ended: Promise<void> = Promise.resolve();

/** One aggregator's HTTP surface for all inputs, ended by {@link stopService}. */
function service(): Promise<Service> {
  running ??= new Promise((resolve, reject) => {
    ended = withService((one) => {
      resolve(one);
      return new Promise((end) => stop = end);
    }).catch(reject);
  });
  return running;
}

/** Ends the service again. */
async function endService(): Promise<void> {
  stop();
  await ended;
  running = undefined;
}

let calls = 0;

/** Sends a request from an address of its own, so that no rate limit answers in the parser's place. */
async function post(path: string, body: Uint8Array, type: string, headers: Record<string, string> = {}) {
  const address = `10.${calls >> 16 & 255}.${calls >> 8 & 255}.${calls++ & 255}`;
  const response = await (await service()).send("POST", path, { body, type, headers, address });
  const text = await response.text();
  if (response.status < 400) return;
  const problem = JSON.parse(text);
  if (response.status >= 500 || problem.code === "InternalError") {
    throw new LawBroken(`${response.status}: ${text}`);
  }
  law(Object.hasOwn(ERROR_EXIT_STATUS, problem.code), "a problem of an unknown code");
  throw new FedKimError(problem.code, "refused");
}

/** Bodies and headers of requests, problem documents, and command lines. */
export const HTTP_TARGETS: readonly FuzzTarget[] = [
  {
    name: "http_json_body",
    kind: "json",
    seeds: () =>
      Promise.resolve([
        jsonBytes({ head: { sequence: 1, hash: "ab".repeat(32) } }),
        jsonBytes({ site: "b", secret: "0".repeat(64), publicKey: "1".repeat(64), proof: "2".repeat(128) }),
      ]),
    parse: async (input) => {
      const paths = ["/v1/join", "/v1/enroll", "/v1/ticket", "/v1/ledger", "/v1/accept"];
      await post(paths[input.length % paths.length], input, "application/json");
    },
    end: endService,
  },
  {
    name: "http_chunk_body",
    kind: "bytes",
    seeds: () => Promise.resolve([utf8("SA1"), new Uint8Array(100)]),
    parse: async (input) => {
      const kinds = ["advertise_keys", "masked_chunk", "", "x".repeat(40)];
      await post(`/v1/rounds/${input.length % 4}/messages`, input, "application/octet-stream", {
        "x-fedkim-sequence": String(input[0] ?? ""),
        "x-fedkim-kind": kinds[input.length % kinds.length],
      });
    },
    end: endService,
  },
  {
    name: "signature_headers",
    kind: "text",
    words: [
      '"@method"',
      '"@path"',
      ";created=",
      ";keyid=",
      ";nonce=",
      ";alg=",
      "fedkim=(",
      "sig=:",
      ":",
      "sha-256=:",
    ],
    seeds: () => {
      const headers = signRequest(key, "POST", "/v1/join", utf8("{}"), 1_700_000_000_000);
      return Promise.resolve([utf8([...headers].map(([name, value]) => `${name}: ${value}`).join("\n"))]);
    },
    parse: async (input) => {
      const headers = new Headers();
      for (const line of textOf(input).split("\n")) {
        const at = line.indexOf(":");
        try {
          headers.set(line.slice(0, at), line.slice(at + 1).trim());
        } catch { /* No header: the server's own parser refuses it. */ }
      }
      const verifier = new RequestVerifier({
        publicKeyOf: (name) => Promise.resolve(name === "a" ? key.publicKey : undefined),
        once: () => Promise.resolve(true),
      });
      const signed = await verifier.authenticate("POST", "/v1/join", headers, 1_700_000_000_000);
      await verifier.accept(signed, utf8("{}"));
      law(signed.name === "a", "a member that did not sign");
    },
  },
  {
    name: "problem",
    kind: "json",
    seeds: () =>
      Promise.resolve([
        jsonBytes({
          type: "t",
          code: "PolicyRefused",
          status: 403,
          detail: "No.",
          reason: "order_not_in_plan",
        }),
      ]),
    parse: (input) => {
      const json = jsonValueOf(input);
      if (json === undefined) return;
      const { value } = json;
      const error = fromProblem(value, 403);
      law(
        error instanceof FedKimError && [...error.message].every((c) => c >= " " && c !== "\u009b"),
        "control characters in a message",
      );
    },
  },
  {
    name: "arguments",
    kind: "text",
    words: [
      "\n",
      "demo",
      "client",
      "privacy-report",
      "--json",
      "--html",
      "--forecast",
      "--audit",
      "--seed",
      "--config",
      "--set",
      "=",
      "--",
      "-",
      "simulate",
      "--sites",
      "1e9",
      "dataset",
      "import",
      "completion",
      "--help",
    ],
    seeds: () =>
      Promise.resolve([
        utf8("privacy-report\nruns/latest\n--json\n--html\na.html"),
        utf8("simulate\n--sites\n5\n--dim\n10\n--drop\n1"),
        utf8("policy\n--state\ns\n--epsilon\n8\n--delta\n1e-5"),
        utf8("dataset\nimport\nm.json\n--out\nd"),
      ]),
    parse: (input) => {
      const parsed = readArguments(textOf(input).split("\n"), 100);
      law(
        "command" in parsed || parsed.status === 0 || parsed.status === ERROR_EXIT_STATUS.ConfigError,
        "a status",
      );
    },
  },
];
