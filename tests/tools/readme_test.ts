import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;

Deno.test("the README's library example type-checks, runs and meets its own target", async () => {
  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  const [, example] = /^```ts\n([\s\S]*?)^```/m.exec(readme) ?? [];
  assert.ok(example !== undefined, "the README has a ts block");
  const dir = await Deno.makeTempDir();
  try {
    const file = join(dir, "example.ts");
    await Deno.writeTextFile(file, example);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--check", "--no-lock", "--config", join(ROOT, "deno.json"), file],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const said = /noise multiplier ([\d.]+) gives epsilon ([\d.]+) over 200 steps/.exec(
      new TextDecoder().decode(stdout),
    );
    assert.ok(said !== null);
    assert.ok(Number(said[1]) > 0.5 && Number(said[2]) > 2.9 && Number(said[2]) <= 3, said[0]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
