import type { LockedPackage } from "./locked.ts";

/** A published vulnerability of an npm package that FedKIM carries, or of a version of it. */
export interface Advisory {
  /** Package it is in. */
  readonly name: string;
  /** Its number in the GitHub Advisory Database. */
  readonly id: string;
  /** First version of ours' line without it. */
  readonly fixedIn: string;
  /** What it is, in few words. */
  readonly what: string;
}

/** Read on 2026-11-24; `docs/supply_chain.md` says how, and what it is not. */
export const ADVISORIES: readonly Advisory[] = [
  { name: "hono", id: "GHSA-3hrh-pfw6-9m5x", fixedIn: "4.12.21", what: "CVE-2026-47675" },
  { name: "hono", id: "GHSA-2gcr-mfcq-wcc3", fixedIn: "4.12.21", what: "paths of mounted applications" },
  { name: "hono", id: "GHSA-88fw-hqm2-52qc", fixedIn: "4.12.25", what: "CORS answers any origin" },
  { name: "hono", id: "GHSA-wwfh-h76j-fc44", fixedIn: "4.12.25", what: "static files, CVE-2026-54286" },
  { name: "hono", id: "GHSA-rv63-4mwf-qqc2", fixedIn: "4.12.25", what: "limit of a body, CVE-2026-54288" },
  { name: "hono", id: "GHSA-j6c9-x7qj-28xf", fixedIn: "4.12.25", what: "with the two others of 4.12.25" },
  {
    name: "@hono/node-server",
    id: "GHSA-wc8c-qw6v-h7f6",
    fixedIn: "1.19.10",
    what: "static files by %2F",
  },
  {
    name: "@hono/node-server",
    id: "GHSA-9mqv-5hh9-4cgg",
    fixedIn: "2.0.10",
    what: "memory of WebSockets",
  },
  { name: "zod", id: "GHSA-m95q-7qp3-xv42", fixedIn: "3.22.3", what: "slow regular expression" },
  { name: "yaml", id: "GHSA-48c2-rrv3-qjmp", fixedIn: "2.8.3", what: "deep nesting overflows the stack" },
  { name: "smol-toml", id: "GHSA-v3rj-xjv7-4jmq", fixedIn: "1.6.1", what: "thousands of comment lines" },
  { name: "smol-toml", id: "GHSA-7w5x-hrqm-74c2", fixedIn: "1.7.1", what: "a comment without end hangs" },
  { name: "fflate", id: "GHSA-px8p-9vwx-vf98", fixedIn: "0.8.3", what: "a ZIP64 mark hangs" },
  { name: "form-data", id: "GHSA-fjxv-7rqg-78g4", fixedIn: "4.0.4", what: "guessable boundary" },
  { name: "form-data", id: "GHSA-hmw2-7cc7-3qxx", fixedIn: "4.0.6", what: "line breaks in names" },
  { name: "node-fetch", id: "GHSA-r683-j2x4-v87g", fixedIn: "2.6.7", what: "headers sent to other hosts" },
  { name: "yargs-parser", id: "GHSA-p9pc-299p-vxgp", fixedIn: "18.1.1", what: "prototype pollution" },
  { name: "y18n", id: "GHSA-c4w7-xm78-47vh", fixedIn: "5.0.5", what: "prototype pollution" },
  { name: "ansi-regex", id: "GHSA-93q8-gq69-wqmw", fixedIn: "5.0.1", what: "slow regular expression" },
  {
    name: "playwright-core",
    id: "GHSA-7mvr-c777-76hp",
    fixedIn: "1.55.1",
    what: "downloads without TLS check",
  },
  // Codecs as WebAssembly: these versions carry an engine that is mended; whether earlier ones do was not looked at.
  {
    name: "@cornerstonejs/codec-charls",
    id: "GHSA-mqrg-gfc8-73ff",
    fixedIn: "1.2.7",
    what: "huge frames; CharLS 2.4.4",
  },
  {
    name: "@cornerstonejs/codec-openjpeg",
    id: "CVE-2025-54874",
    fixedIn: "1.3.6",
    what: "heap write; OpenJPEG 2.5.4",
  },
];

/**
 * The advisories that apply to locked packages: the version that is locked is before the one that mends it.
 * @param packages of a lock file
 * @throws Error where a version is not of the form MAJOR.MINOR.PATCH
 */
export function vulnerabilities(
  packages: Iterable<LockedPackage>,
  advisories: readonly Advisory[] = ADVISORIES,
): { readonly locked: LockedPackage; readonly advisory: Advisory }[] {
  return [...packages].flatMap((locked) =>
    advisories
      .filter(({ name, fixedIn }) => name === locked.name && isBefore(locked.version, fixedIn))
      .map((advisory) => ({ locked, advisory }))
  );
}

/** Whether a version comes before another; a pre-release comes before its release. */
function isBefore(version: string, other: string): boolean {
  const [a, b] = [partsOf(version), partsOf(other)];
  const at = a.findIndex((part, i) => part !== b[i]);
  return at >= 0 && a[at] < b[at];
}

function partsOf(version: string): number[] {
  const match = /^(\d+)\.(\d+)\.(\d+)(-.+)?$/.exec(version);
  if (match === null) throw new Error(`the version ${JSON.stringify(version)} cannot be read`);
  return [...match.slice(1, 4).map(Number), match[4] === undefined ? 1 : 0];
}
