import assert from "node:assert/strict";
import * as alone from "fedkim/secure_agg";

Deno.test("fedkim/secure_agg is usable alone: it loads nothing of models, tensors, HTTP or the network", async () => {
  assert.equal(typeof alone.SecAggClient, "function");
  assert.equal(typeof alone.SecAggServer, "function");
  const root = new URL("../../", import.meta.url).href;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("src/secure_agg/mod.ts", root).pathname],
    cwd: new URL(root).pathname,
  }).output();
  assert.ok(success);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: readonly { specifier: string }[];
  };
  const loaded = modules.map(({ specifier }) => specifier);
  assert.ok(loaded.length > 50);
  const allowed = [
    `${root}src/secure_agg/`,
    `${root}src/formats/errors.ts`,
    `${root}src/formats/random_bytes.ts`,
    "node:",
    "npm:",
  ];
  assert.deepEqual(loaded.filter((specifier) => !allowed.some((prefix) => specifier.startsWith(prefix))), []);
  const outside = new Set(
    loaded.filter((specifier) => /^(node|npm):/.test(specifier)).map((s) => s.replace(/@[\d.]+/, "")),
  );
  for (const specifier of outside) {
    assert.match(specifier, /^(node:(buffer|crypto|process)|npm:\/?@noble\/(ciphers|curves|hashes)(\/.*)?)$/);
  }
});
