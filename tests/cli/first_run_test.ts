import assert from "node:assert/strict";
import { join } from "node:path";
import { ChildProcess, selfCommand } from "../../cli/child_process.ts";
import { fedkim } from "../_fedkim.ts";
import { documentOf } from "./_document.ts";

const SITES = ["mercy", "north", "west"];

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Runs a verb that must end well. */
async function ok(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const ended = await fedkim(...args);
  assert.equal(ended.code, 0, ended.stderr);
  return ended;
}

/** Runs a verb that must be refused with a code and say a remedy. */
async function refused(code: string, pattern: RegExp, ...args: string[]): Promise<void> {
  const { stdout, stderr } = await fedkim(...args, "--json");
  const { error } = JSON.parse(stdout);
  assert.equal(error.code, code, stderr);
  assert.match(error.message, pattern);
}

Deno.test("three sites enroll, sign and run by three commands each, every one printing the next", async () => {
  await inFolder(async (dir) => {
    const at = (...parts: string[]) => join(dir, ...parts);
    documentOf("dataset synthesize", (await ok("dataset", "synthesize", at("data"), "--json")).stdout);
    const set = [
      ...["federation=first", `state=${at("aggregator")}`, `run=${at("run")}`, `sites=${SITES.join(",")}`],
      ...[`data.public=${at("data", "public")}`, "privacy.neighboring=add_or_remove_one", "tasks=icu_shock"],
      ...["rounds.steps=1", "injection.epochs=1", "backend=wasm"],
    ].flatMap((text) => ["--set", text]);
    const children = [
      new ChildProcess(
        "aggregator",
        selfCommand(["aggregator", "--port", "0", ...set, "--json"], ["-A", "--no-prompt"]),
        dir,
      ),
    ];
    try {
      const { url } = await children[0].waitFor("listening", 60);
      const peers: Record<string, string> = {};
      for (const site of SITES) {
        const invite = await ok("enroll", "--state", at("aggregator"), "--site", site, "--url", String(url));
        const { stdout } = await ok("enroll", "--state", at(site), "--invite", invite.stdout.trim());
        peers[site] = /public key.*: ([0-9a-f]{64})/.exec(stdout)![1];
        assert.match(stdout, new RegExp(`^Next: fedkim policy --state ${at(site)} `, "m"));
      }
      await Deno.writeTextFile(at("peers.json"), JSON.stringify(peers));
      const folders = [...Deno.readDirSync(at("data"))].map(({ name }) => name).filter((name) =>
        name.startsWith("site-")
      );
      for (const [i, site] of SITES.entries()) {
        const { stderr } = await ok(
          ...["policy", "--state", at(site), "--epsilon", "8", "--peers", at("peers.json")],
        );
        assert.match(stderr, new RegExp(`^Next: fedkim client --state ${at(site)} --data DIR$`, "m"));
        const args = ["client", "--state", at(site), "--data", at("data", folders[i])];
        if (site === "west") args.push("--json");
        children.push(new ChildProcess(site, selfCommand(args, ["-A", "--no-prompt"]), dir));
      }
      const codes = await Promise.all(children.map((child) => child.exited));
      assert.deepEqual(codes, [0, 0, 0, 0], children.map((child) => child.lastError).join("\n"));
      documentOf("aggregator", children[0].stdout);
      documentOf("client", children[3].stdout);
      for (const child of children.slice(1, 3)) {
        assert.match(
          child.stdout,
          /^Finished: took part in 1 steps\.\nNext: fedkim privacy-report .*ledger\.jsonl$/m,
        );
      }
      await ok("privacy-report", at("mercy", "ledger.jsonl"));
      const report = await ok("privacy-report", at("mercy", "ledger.jsonl"), "--json");
      documentOf("privacy-report", report.stdout);
      const used = ["--run", at("run"), "--data", at("data", "test"), "--task", "icu_shock", "--json"];
      documentOf("evaluate", (await ok("evaluate", ...used)).stdout);
      documentOf("predict", (await ok("predict", ...used)).stdout);
      const written = await ok("predict", ...used, "--out", at("shock.csv"));
      assert.equal(documentOf("predict", written.stdout).file, at("shock.csv"));
    } finally {
      for (const child of children) child.stop();
      await Promise.all(children.map((child) => child.exited));
    }
  });
});

Deno.test("each command names what is missing before it begins: aggregator, clock, identity, policy, peers, data", async () => {
  await inFolder(async (dir) => {
    let date = new Date();
    const stop = new AbortController();
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", signal: stop.signal, onListen: () => {} },
      () => Response.json({ ok: true }, { headers: { date: date.toUTCString() } }),
    );
    const inviteFor = (url: string) =>
      `fk1.${
        new TextEncoder().encode(JSON.stringify({
          format: "fedkim-invite/1",
          site: "mercy",
          url,
          aggregatorPublicKey: "0".repeat(64),
          secret: "0".repeat(64),
        })).toBase64({ alphabet: "base64url", omitPadding: true })
      }`;
    const url = `http://127.0.0.1:${server.addr.port}`;
    const enroll = ["enroll", "--state", join(dir, "site"), "--invite"];
    await refused("NetworkError", /cannot be reached.*proxy/, ...enroll, inviteFor("http://127.0.0.1:1"));
    date = new Date(Date.now() - 3_600_000);
    await refused("AuthenticationError", /clocks.*3\d{3} s.*NTP/, ...enroll, inviteFor(url));
    assert.ok(!(await Deno.stat(join(dir, "site")).then(() => true, () => false)), "no identity was made");
    stop.abort();
    await server.finished;

    const policy = ["policy", "--state", join(dir, "site")];
    await refused("ConfigError", /fedkim enroll/, ...policy, "--epsilon", "8");
    await refused("ConfigError", /fedkim enroll/, "client", "--state", join(dir, "site"), "--data", dir);
  });
});

Deno.test("policy refuses keys that cannot be right and too few peers; client refuses a folder without data", async () => {
  await inFolder(async (dir) => {
    const { createIdentity } = await import("../../src/federation/identity_file.ts");
    const state = join(dir, "site");
    await Deno.mkdir(state);
    await createIdentity(join(state, "identity.json"), "mercy");
    const peers = join(dir, "peers.json");
    const policy = ["policy", "--state", state, "--epsilon", "8", "--peers", peers];
    const key = "a".repeat(64);
    await refused("ConfigError", /cannot be read/, ...policy);
    await Deno.writeTextFile(peers, JSON.stringify({ north: "short", west: key }));
    await refused("ConfigError", /Found: north\./, ...policy);
    await Deno.writeTextFile(peers, JSON.stringify({ mercy: key, north: key, west: key }));
    await refused("ConfigError", /another key for mercy/, ...policy);
    await Deno.writeTextFile(peers, JSON.stringify({ north: key }));
    await refused("ConfigError", /2 sites with this one, but 3/, ...policy);
    await refused("ConfigError", /written as a whole/, "policy", "--state", state, "--delta", "1e-6");
    const client = ["client", "--state", state, "--data", dir];
    await refused("PolicyRefused", /fedkim policy/, ...client);
    await Deno.writeTextFile(peers, JSON.stringify({ north: key, west: "b".repeat(64) }));
    assert.equal((await fedkim(...policy)).code, 0);
    await refused("DatasetError", /holds no dataset.*dataset import/, ...client);
  });
});
