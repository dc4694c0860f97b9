import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { filesBelow, packageFolder } from "../../tools/compile/assets.ts";
import { createPlan } from "../../src/dp/mod.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { writePackage } from "../../tools/npm/package.ts";
import { dependencies, PACKAGE, PARTS } from "../../tools/npm/stage.ts";
import { browserTest } from "../browser/_chromium.ts";
import { testNeeding } from "../_shared.ts";

const node =
  ["/usr/bin/node", "/usr/local/bin/node", "/opt/node/bin/node"].find((path) => existsSync(path)) ??
    (Deno.env.get("PATH") ?? "").split(":").map((folder) => join(folder, "node")).find((path) =>
      existsSync(path)
    );

/** The package as npm would install it, made once from the tarball: its folder below `node_modules`. */
const installed = await (async () => {
  const root = await Deno.makeTempDir();
  const modules = join(root, "node_modules");
  const target = join(modules, PACKAGE);
  await Deno.mkdir(target, { recursive: true });
  const tarball = await writePackage(root);
  const { code } = await tryRun("tar", ["-xzf", tarball, "--strip-components=1", "-C", target]);
  assert.equal(code, 0);
  for (const [name, version] of Object.entries(dependencies())) {
    await Deno.mkdir(join(modules, name, ".."), { recursive: true });
    await Deno.symlink(await packageFolder(name, version), join(modules, name));
  }
  return { root, target, tarball };
})();

Deno.test.afterAll(() => Deno.remove(installed.root, { recursive: true }));

const textOf = async (...path: string[]) => await Deno.readTextFile(join(installed.target, ...path));

/** A round with four parties of which one leaves, an epsilon and a noised sum; `given` is a plan from elsewhere. */
const PROGRAM = `
const ids = ["a", "b", "c", "d"].map((id) => secureAgg.generateIdentity(id));
const enrolled = new Map(ids.map(({ id, publicKey }) => [id, publicKey]));
const config = secureAgg.makeRoundConfig({
  taskId: "npm", roundId: 1, nMax: 4, enrolledHash: secureAgg.enrolledHash(enrolled), modelHash: new Uint8Array(32),
  planHash: new Uint8Array(32), dimension: 1000, coordinateBound: 1 << 20,
});
const server = new secureAgg.SecAggServer({ config, enrolled });
const clients = ids.map((identity, i) =>
  new secureAgg.SecAggClient({ config, identity, enrolled, input: () => new Uint32Array(1000).fill(i + 1) })
);
clients.forEach((client, i) => server.receive(ids[i].id, client.begin()));
while (server.result === undefined) {
  await server.close();
  if (server.phase === "aborted") throw server.error;
  for (const [i, client] of clients.entries()) {
    const message = server.outboundFor(ids[i].id);
    if (message === undefined || (i === 3 && server.phase === "masked_input")) continue;
    for (const answer of (await client.receive(message)).outbound) server.receive(ids[i].id, answer);
  }
}
const event = { type: "self_composed", count: 100, event: { type: "poisson", q: 0.1, event: { type: "gaussian", sigma: 1 } } };
const { epsilon } = dp.epsilonAt(event, 1e-5, { neighboring: "add_or_remove_one" });
const plan = dp.createPlan({
  populations: [{ name: "icu", unit: "patient", samplingRate: 0.1, maxGradNorm: 1 }], setsAreDisjoint: true,
  neighboring: "add_or_remove_one", steps: 10, dimension: 8, cohort: { n: 4, nMin: 3, colluders: 1 },
  maxUnitsPerStep: 64, delta: 1e-5, target: { noiseMultiplier: 1 },
});
const decoded = dp.decodeSum(plan, dp.encodeUpdate(plan, new Float64Array(8), (n) => crypto.getRandomValues(new Uint8Array(n))));
const answer = {
  sums: [...new Set(server.result.sum)], survivors: server.result.survivors, epsilon, planHash: dp.planHash(given),
  noised: decoded.some((value) => value !== 0) && decoded.every((value) => Math.abs(value) < 20),
};
`;

/** A plan as it comes from an aggregator. */
const GIVEN = JSON.stringify(createPlan({
  populations: [{ name: "icu", unit: "patient", samplingRate: 0.5, maxGradNorm: 1 }],
  setsAreDisjoint: true,
  neighboring: "add_or_remove_one",
  steps: 2,
  dimension: 8,
  cohort: { n: 4, nMin: 3, colluders: 1 },
  maxUnitsPerStep: 64,
  delta: 1e-5,
  target: { noiseMultiplier: 1 },
}));

/** What {@link PROGRAM} answers. */
interface Answer {
  readonly epsilon: number;
}

/** Equal, but for the last digits of epsilon: the exponential functions of JavaScript engines differ there. */
function assertSame(actual: Answer, wanted: Answer): void {
  assert.ok(Math.abs(actual.epsilon - wanted.epsilon) < 1e-8 * wanted.epsilon, `${actual.epsilon}`);
  assert.deepEqual({ ...actual, epsilon: 0 }, { ...wanted, epsilon: 0 });
}

/** What {@link PROGRAM} answers with the sources themselves, in Deno. */
async function expected(): Promise<Answer> {
  const secureAgg = await import("../../src/secure_agg/mod.ts");
  const dp = await import("../../src/dp/mod.ts");
  const body = `return (async () => { ${PROGRAM} return answer; })();`;
  return await new Function("secureAgg", "dp", "given", body)(secureAgg, dp, JSON.parse(GIVEN));
}

Deno.test("the package names its parts with types, and every module and type that it refers to is inside", async () => {
  const manifest = JSON.parse(await textOf("package.json"));
  assert.deepEqual(Object.keys(manifest.exports), PARTS.map((part) => `./${part}`));
  assert.deepEqual(manifest.dependencies, dependencies());
  for (const { types, browser, default: module } of Object.values<Record<string, string>>(manifest.exports)) {
    for (const path of [types, browser, module]) assert.ok(existsSync(join(installed.target, path)), path);
  }
  for await (const [path, bytes] of filesBelow(installed.target)) {
    if (!/\.(js|d\.ts)$/.test(path) || path.startsWith("browser/")) continue;
    const text = new TextDecoder().decode(bytes);
    for (const [, specifier] of text.matchAll(/(?:from|import) "(\.[^"]+)"/g)) {
      const target = posix.join(posix.dirname(path), specifier);
      const file = path.endsWith(".d.ts") ? target.replace(/(\.d)?\.[jt]s$/, ".d.ts") : target;
      assert.ok(existsSync(join(installed.target, file)), `${path} refers to ${specifier}`);
    }
  }
});

Deno.test("what browsers get needs nothing else", async () => {
  for await (const [path, bytes] of filesBelow(join(installed.target, "browser"))) {
    const code = new TextDecoder().decode(bytes);
    assert.doesNotMatch(code, /node:|from\s*["']|\bimport\s*["'(]|\.ts"/, path);
  }
});

Deno.test("a library user's types hold against the package", async () => {
  const file = join(installed.root, "user.ts");
  await Deno.writeTextFile(
    file,
    `import { makeRoundConfig, type RoundConfig } from "${PACKAGE}/secure_agg";
import { type DpEvent, epsilonAt } from "${PACKAGE}/dp";
const event: DpEvent = { type: "gaussian", sigma: 1 };
export const epsilon: number = epsilonAt(event, 1e-5, { neighboring: "add_or_remove_one" }).epsilon;
export const make: (fields: Parameters<typeof makeRoundConfig>[0]) => RoundConfig = makeRoundConfig;
// @ts-expect-error: an event has a type
export const wrong: DpEvent = { sigma: 1 };
`,
  );
  const manifest = JSON.stringify({ name: "user", type: "module", dependencies: { [PACKAGE]: "*" } });
  await Deno.writeTextFile(join(installed.root, "package.json"), manifest);
  const args = ["check", "--quiet", "--node-modules-dir=manual", file];
  const { code, stderr } = await tryRun(Deno.execPath(), args, { cwd: installed.root });
  assert.equal(code, 0, stderr);
});

const nodeTest = (name: string, body: (node: string) => Promise<void>) =>
  testNeeding("node", node === undefined ? "no node was found" : undefined, name, () => body(node!));

nodeTest(
  "Node gets the same sum, epsilon and plan from the package as Deno from the sources",
  async (node) => {
    const file = join(installed.root, "user.mjs");
    const imports =
      `import * as secureAgg from "${PACKAGE}/secure_agg";\nimport * as dp from "${PACKAGE}/dp";\n`;
    await Deno.writeTextFile(
      file,
      `${imports}const given = ${GIVEN};\n${PROGRAM}\nconsole.log(JSON.stringify(answer));\n`,
    );
    const { code, stdout, stderr } = await tryRun(node, ["--preserve-symlinks", file], {
      cwd: installed.root,
    });
    assert.equal(code, 0, stderr);
    assertSame(JSON.parse(stdout), await expected());
  },
);

nodeTest("the README's program runs in Node", async (node) => {
  const [, code] = /```js\n([\s\S]*?)```/.exec(await textOf("README.md"))!;
  const file = join(installed.root, "readme.mjs");
  await Deno.writeTextFile(file, code);
  const { code: status, stdout, stderr } = await tryRun(node, ["--preserve-symlinks", file], {
    cwd: installed.root,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^\d\.\d+\n$/);
});

nodeTest("the ledger says in Node that it needs Deno", async (node) => {
  const file = join(installed.root, "ledger.mjs");
  await Deno.writeTextFile(
    file,
    `import { readLedger } from "${PACKAGE}/dp";\nawait readLedger("x").catch(({ cause }) => console.log(cause.message));\n`,
  );
  const { stdout } = await tryRun(node, ["--preserve-symlinks", file], { cwd: installed.root });
  assert.match(stdout, /needs Deno/);
});

browserTest(
  "Chromium gets the same sum, epsilon and plan from the package's browser modules",
  async (browser) => {
    const stop = new AbortController();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen: () => {} },
      async (request) => {
        const name = posix.basename(new URL(request.url).pathname);
        if (!name.endsWith(".js")) {
          return new Response("<!DOCTYPE html>", {
            headers: { "content-type": "text/html" },
          });
        }
        return new Response(await textOf("browser", name), {
          headers: { "content-type": "text/javascript" },
        });
      },
    );
    const page = await browser.newPage();
    try {
      await page.goto(`http://127.0.0.1:${server.addr.port}/`);
      const answer = await page.evaluate<Answer>(`(async () => {
      const [secureAgg, dp] = await Promise.all([import("/secure_agg.js"), import("/dp.js")]);
      const given = ${GIVEN};
      ${PROGRAM}
      const pool = secureAgg.maskWorkerPool(2);
      const words = new Uint32Array(64);
      await pool.apply(words, [], 0);
      pool.close();
      return answer;
    })()`);
      assertSame(answer, await expected());
    } finally {
      await page.close();
      stop.abort();
      await server.finished;
    }
  },
);
