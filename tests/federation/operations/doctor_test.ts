import assert from "node:assert/strict";
import { coreDumps, swap } from "../../../cli/_doctor_host.ts";
import { fedkim } from "../../_fedkim.ts";
import { createIdentity } from "../../../src/federation/identity_file.ts";
import { openServer } from "../../../src/federation/http_server.ts";
import { writePolicy } from "../../../src/federation/site_policy.ts";
import { pinAggregator } from "../../../src/federation/site_state.ts";
import type { TlsFiles } from "../../../src/federation/tls.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { synthesizeFederation } from "../../../src/local/synthesize/mod.ts";
import { opensslTest, TestAuthority } from "./_certificates.ts";
import { openPolicy } from "../_plan.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

/** A site's folders as enrolment, policy and import leave them, with an aggregator that only answers `/healthz`. */
async function withSite(
  body: (
    site: { dir: string; doctor: (more?: object) => Promise<{ code: number; checks: Check[] }> },
  ) => Promise<void>,
  options: { readonly tls?: TlsFiles; readonly skewMs?: number; readonly url?: string } = {},
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const server = await openServer({
    hostname: "127.0.0.1",
    port: 0,
    tls: options.tls,
    handler: () =>
      Response.json({ ok: true }, {
        headers: { date: new Date(Date.now() + (options.skewMs ?? 0)).toUTCString() },
      }),
  });
  try {
    const few = { icu: 3, cxr: 2, ecg: 1, vqa: 1 };
    await synthesizeFederation(`${dir}/data`, { seed: 1, patients: { site: few, public: few, test: few } });
    const identity = await createIdentity(`${dir}/state/identity.json`, "site-west");
    await writePolicy(`${dir}/state/policy.json`, openPolicy("site-west"), identity);
    await pinAggregator(
      `${dir}/state`,
      {
        site: "site-west",
        secret: "",
        url: options.url ?? server.url.replace("127.0.0.1", "localhost"),
        aggregatorPublicKey: toHex(identity.publicKey),
      } as Parameters<typeof pinAggregator>[1],
    );
    await body({
      dir,
      async doctor(more = {}) {
        const config = { data: `${dir}/data/site-west`, state: `${dir}/state`, ...more };
        await Deno.writeTextFile(`${dir}/site.json`, JSON.stringify(config));
        const { code, stdout, stderr } = await fedkim(
          "doctor",
          "--config",
          `${dir}/site.json`,
          "--backend",
          "cpu",
          "--json",
        );
        // A failure adds its own document after the checks.
        const first = stdout.split("\n")[0];
        assert.ok(first.startsWith("{"), stderr);
        return { code, checks: JSON.parse(first).checks };
      },
    });
  } finally {
    await server.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Names of the checks that failed; each must say what to do. */
function failures(checks: readonly Check[]): string[] {
  const failed = checks.filter((check) => !check.ok);
  for (const { name, detail, remedy } of failed) {
    assert.ok(remedy !== undefined && remedy.length > 10, `${name} fails without a remedy`);
    assert.match(detail, /What to do: /, name);
  }
  return failed.map(({ name }) => name);
}

const detailOf = (checks: readonly Check[], name: string) =>
  checks.find((check) => check.name === name)?.detail ?? "";

Deno.test("doctor finds nothing wrong with a site in order, and names what it looked at", async () => {
  await withSite(async ({ doctor }) => {
    const { code, checks } = await doctor();
    assert.deepEqual(failures(checks), [], JSON.stringify(checks));
    assert.equal(code, 0);
    assert.deepEqual(checks.map(({ name }) => name), [
      "tensor backend",
      "random numbers",
      "embedded foundation model",
      "configuration",
      "data",
      "identity and policy",
      "private keys",
      "ledger",
      "disk space",
      "core dumps",
      "swap",
      "aggregator",
      "clock",
      "TLS certificate",
    ]);
  });
});

Deno.test("doctor says what to do about open keys, a foreign policy, broken data and a damaged ledger", async () => {
  await withSite(async ({ dir, doctor }) => {
    await Deno.chmod(`${dir}/state/identity.json`, 0o644);
    const policy = await Deno.readTextFile(`${dir}/state/policy.json`);
    await Deno.writeTextFile(
      `${dir}/state/policy.json`,
      policy.replace(/"maxEpsilon": *8/, '"maxEpsilon":80'),
    );
    await Deno.writeTextFile(`${dir}/state/ledger.jsonl`, "not a ledger\n");
    for await (const { name } of Deno.readDir(`${dir}/data/site-west`)) {
      await Deno.writeTextFile(`${dir}/data/site-west/${name}/dataset.json`, "{");
    }
    const { code, checks } = await doctor();
    assert.equal(code, 2);
    assert.deepEqual(failures(checks), ["data", "identity and policy", "private keys", "ledger"]);
  });
});

Deno.test("doctor tells a wrong clock from an aggregator that is not there", async () => {
  await withSite(async ({ doctor }) => {
    const { checks } = await doctor();
    assert.deepEqual(failures(checks), ["clock"]);
    assert.match(detailOf(checks, "clock"), /NTP/);
  }, { skewMs: 600_000 });
  await withSite(async ({ doctor }) => {
    assert.deepEqual(failures((await doctor()).checks), ["aggregator"]);
  }, { url: "http://127.0.0.1:9" });
});

Deno.test("doctor names a wrong configuration and still checks the machine", async () => {
  await withSite(async ({ doctor }) => {
    const { code, checks } = await doctor({ reconectSeconds: 3 });
    assert.equal(code, 2);
    assert.deepEqual(failures(checks), ["configuration"]);
    assert.equal(checks.length, 4);
  });
});

opensslTest("doctor checks the aggregator's certificate: its authority and its end", async (dir) => {
  const authority = await TestAuthority.create(dir);
  const caFile = authority.certFile;
  await withSite(async ({ doctor }) => {
    const good = await doctor({ caFile });
    assert.deepEqual(failures(good.checks), []);
    assert.match(detailOf(good.checks, "TLS certificate"), /ends in \d\d days/);
    const unknown = await doctor();
    assert.deepEqual(failures(unknown.checks), ["aggregator"]);
    assert.match(detailOf(unknown.checks, "aggregator"), /caFile/);
  }, { tls: await authority.issue("long", 60) });
  await withSite(async ({ doctor }) => {
    assert.deepEqual(failures((await doctor({ caFile })).checks), ["TLS certificate"]);
  }, { tls: await authority.issue("short", 3) });
});

Deno.test("doctor warns of core dumps and of swap that may not be encrypted, and of nothing else", () => {
  const limits = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\n` +
    `Max core file size        ${soft.padEnd(20)} unlimited            bytes\n`;
  assert.equal(coreDumps(limits("0")), "off");
  assert.match(coreDumps(limits("unlimited")), /^warning: on.*ulimit -c 0/);
  assert.match(coreDumps(limits("4096")), /^warning/);
  assert.match(coreDumps(undefined), /^not known here/);
  const areas = (...devices: string[]) =>
    ["Filename Type Size Used Priority", ...devices.map((device) => `${device} partition 1000 0 -2`)].join(
      "\n",
    );
  assert.equal(swap(areas()), "none");
  assert.doesNotMatch(swap(areas("/dev/zram0", "/dev/dm-1", "/dev/mapper/swap")), /warning/);
  assert.match(swap(areas("/dev/zram0", "/dev/sda3")), /^warning: \/dev\/sda3 may/);
  assert.match(swap(areas("/swapfile")), /^warning: \/swapfile/);
  assert.match(swap(undefined), /^not known here/);
});
