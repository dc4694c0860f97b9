/**
 * Benchmark of the federation service over loopback, every party in a process of its own: {@link runFederationBench}
 * measures a round of 1,000 sites, what a protocol costs beside the vector, the upload path beside a bare server, and
 * unmasking by two replicas, and writes `bench/results/federation.md`; {@link runLongFederationBench} is the soak of
 * 500 rounds, into a file of its own.
 *
 * What is real: HTTP with signed requests, long polls, the store on disk with its write-ahead log, all cryptography of
 * strict secure aggregation, and the check that the sum is exact. What is left out: training and noise.
 *
 * @module
 */
import { openCluster } from "../../tests/_postgres.ts";
import { writePage } from "../local/_write_page.ts";
import { duration, table } from "../secure_agg/_report.ts";
import { messageBytes } from "./_message_bytes.ts";
import { type CountingRelay, countingRelay } from "./_relay.ts";
import { AGGREGATOR_ENV, type MeasuredRound, measureRounds } from "./_round.ts";
import { measureUnmasking } from "./_unmask.ts";
import { measureUpload } from "./_upload.ts";

const MB = 1e6;
const limit = (met: boolean, text: string): string => `${text} ${met ? "met" : "missed"}`;
const PHASES = ["keys", "shares", "masked vectors", "survivors", "unmasking"];

/** The sites share two cores with the aggregator; a third process lets it run while both others wait. */
const SITE_PROCESSES = 2;

/** One round of 1,000 sites as a table of one row. */
async function roundOfThousand(masks: "own" | "all"): Promise<string> {
  const cohort = { sites: 1000, dimension: 100_000, rounds: 1 };
  const [round] = await measureRounds({ cohort, processes: SITE_PROCESSES, masks });
  const head = [
    "wall clock (60 s)",
    ...PHASES,
    "aggregator CPU",
    "sites' CPU, all",
    "of it masks",
    "aggregator memory, peak (400 MB)",
    "long polls at once",
    "sum",
  ];
  return table(head, [roundRow(round)]);
}

async function thousand(): Promise<string> {
  const measured = await roundOfThousand("own");
  return `## A round of 1,000 sites, d = 100,000

Strict profile, ring of degree 178 and threshold 136 from the published table, one process for the aggregator and two
for the sites, each of which has its own address, connection and keys, and computes every shared secret itself. In
production the sites' work is done by 1,000 machines at once; here it shares two cores with the aggregator, so no wall
clock can be below half of all CPU seconds together. A site expands its own mask only: pair masks of sites that all stay
cancel in the sum, so messages, bytes and the aggregator's work are the same, and what is left out is measured with \`--masks\`. Noise is not sampled in either. The aggregator runs with
${
    Object.entries(AGGREGATOR_ENV).map(([name, value]) => `\`${name}=${value}\``).join(", ")
  } in its environment, so that
freed memory is given back and garbage is collected early; before the round it is at about 200 MB: the runtime, the
program, and 1,000 open connections.

${measured}
`;
}

async function masks(): Promise<string> {
  const measured = await roundOfThousand("all");
  return `## The same round, every mask expanded

Every site expands all of its 179 masks, on the two cores that all 1,000 sites and the aggregator share.

${measured}
`;
}

function roundRow(round: MeasuredRound): string[] {
  return [
    limit(round.seconds < 60, duration(round.seconds)),
    ...round.phases.map(duration),
    duration(round.cpuSeconds),
    duration(round.sitesCpu),
    duration(round.masksCpu),
    limit(round.peakBytes < 400 * MB, `${(round.peakBytes / MB).toFixed(0)} MB`),
    `${round.polls}`,
    `${round.survivors} sites, ${round.exact ? "exact" : "WRONG"}`,
  ];
}

async function overhead(): Promise<string> {
  const cohort = { sites: 100, dimension: 10_000, rounds: 2 };
  let relay: CountingRelay | undefined;
  const counts: number[] = [];
  try {
    await measureRounds({
      cohort,
      processes: 1,
      masks: "own",
      through: (url) => (relay ??= countingRelay(url)).url,
      around: () => counts.push(relay!.bytes),
    });
  } finally {
    relay?.close();
  }
  const each = (counts[3] - counts[2]) / cohort.sites;
  const [vector, model] = [4 * cohort.dimension, 4 * cohort.dimension];
  const rest = each - vector - model;
  const messages = messageBytes(cohort.sites, "site-0000".length);
  const sum = Object.values(messages).reduce((total, bytes) => total + bytes, 0);
  const parts = Object.entries(messages).map(([name, bytes]) => `${name} ${(bytes / 1e3).toFixed(1)} kB`);
  return `## Bytes beside the vector, n = 100

All bytes on the connections of one site in one round, HTTP headers included, as a relay between sites and aggregator
counts them: ${(each / 1e3).toFixed(1)} kB, of which the masked vector is ${vector / 1e3} kB, the model ${
    model / 1e3
  } kB and the rest
**${limit(rest < 50_000, `${(rest / 1e3).toFixed(1)} kB (50 kB)`)}**.

By the wire format, the messages are ${(sum / 1e3).toFixed(1)} kB of the rest: ${
    parts.join(", ")
  }. HTTP is the other ${
    ((rest - sum) / 1e3).toFixed(1)
  } kB: the signed order and eight requests, each with the signature, digest and nonce that prove who
sends it. The answer to a message is the next letter where there is one in time.
`;
}

async function upload(): Promise<string> {
  const rows: string[][] = [];
  for (const [sites, dimension] of [[100, 100_000], [60, 1_000_000]]) {
    const { bytes, service, bare } = await measureUpload(sites, dimension);
    rows.push([
      `${sites}`,
      `${(bytes / MB).toFixed(0)} MB`,
      `${(bytes / MB / service).toFixed(0)} MB/s`,
      `${(bytes / MB / bare).toFixed(0)} MB/s`,
      limit(bare / service >= 0.6, `${(100 * bare / service).toFixed(0)} % (60 %)`),
    ]);
  }
  return `## Upload path

Masked vectors that were computed beforehand leave all at once. The service checks signature and digest of every
request, writes each chunk durably before it answers, and adds the vector up; the bare Hono server reads the same bytes
and drops them. Same run, one process for the senders each time. Chunks go to files beside the database (ADR 0013). What
is left in the aggregator's one thread is two SHA-256 of every chunk (the request's digest and the vector's root), reading
and adding it, and the signatures; the commit of a vector waits for two fsyncs on other threads, the file's and the log's,
which commits that came in meanwhile share.

${table(["sites", "bytes", "service", "bare Hono", "service / bare"], rows)}
`;
}

async function unmasking(): Promise<string> {
  const cluster = await openCluster();
  if (cluster === undefined) {
    return "## Unmasking by two replicas\n\nNot measured: no PostgreSQL server is installed.\n";
  }
  try {
    const task = { place: cluster.url, dimension: 1_000_000, masks: 1000 };
    const { one, two, same } = await measureUnmasking(task);
    return `## Unmasking by two replicas

d = 1,000,000, 1,000 masks, ranges of coordinates as jobs on one PostgreSQL, replicas as processes with one thread each;
best of three turns, the sums ${same ? "are the same" : "DIFFER"}. One replica: ${duration(one)}. Two: ${
      duration(two)
    }.
**${limit(one / two >= 1.6, `${(one / two).toFixed(2)} x (1.6 x)`)}**.
`;
  } finally {
    await cluster.remove();
  }
}

const PAGE = "bench/results/federation.md";

/**
 * Runs all measurements, or those whose names are among the flags (`--thousand --masks --overhead --upload --unmasking`): the
 * page's other sections stay as they are.
 */
export async function runFederationBench(flags: readonly string[] = []): Promise<void> {
  const sections = { thousand, masks, overhead, upload, unmasking };
  const parts = new Map((await sectionsOf(PAGE)).map((text) => [headOf(text), text]));
  for (const [name, section] of Object.entries(sections)) {
    if (flags.length > 0 && !flags.includes(`--${name}`)) continue;
    const text = await section();
    parts.set(headOf(text), text);
    console.error(text);
    await writePage(PAGE, page([...parts.values()]));
  }
}

/** Sections of a page that was written before; none where there is no page. */
async function sectionsOf(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split(/^(?=## )/m).slice(1).map((section) => `${section.trimEnd()}\n`);
}

/** The heading of a section, its key on the page. */
function headOf(section: string): string {
  return section.slice(0, section.indexOf("\n"));
}

function page(parts: readonly string[]): string {
  return `# The federation service, measured

${
    new Date().toISOString().slice(0, 10)
  }, ${navigator.hardwareConcurrency} CPU cores, Deno ${Deno.version.deno}; \`deno task bench federation\` makes this page
anew, and with \`--thousand\`, \`--masks\`, \`--overhead\`, \`--upload\` or \`--unmasking\` that section of it. Limits in brackets.

${parts.join("\n")}`;
}

/** Soak: 500 rounds, and what the aggregator holds along the way. */
export async function runLongFederationBench(): Promise<void> {
  const rounds = await measureRounds({
    cohort: { sites: 4, dimension: 2000, rounds: 500 },
    processes: 1,
    masks: "all",
  });
  const rows = [50, 100, 200, 300, 400, 500].map((n) => {
    const { heapBytes, residentBytes, handles, rows, nonces } = rounds[n - 1].held;
    return [
      `${n}`,
      ...[heapBytes, residentBytes].map((bytes) => `${(bytes / MB).toFixed(1)} MB`),
      handles,
      rows,
      nonces,
    ];
  });
  const exact = rounds.every(({ exact }) => exact);
  await writePage(
    "bench/results/federation_soak.md",
    `# Soak: 500 rounds

\`deno task bench federation --long\`: four sites, d = 2,000, one aggregator process; every sum is ${
      exact ? "exact" : "NOT exact"
    }.
Once-only keys stay for twenty minutes, so their number follows the requests of that time and no more.

${table(["after round", "heap in use", "resident", "open files and sockets", "rows", "once-only keys"], rows)}
`,
  );
}
