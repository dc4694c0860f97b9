import assert from "node:assert/strict";
import { join } from "node:path";
import { withTree } from "./_tree.ts";

const SCRIPT = new URL("../../.ci/run", import.meta.url).pathname;
const README = "```sh\nnpx -y deno@2.9.5 task demo\nnpx -y deno@2.9.5 task test\n```\n";

/** Runs the real `.ci/run` in a tree of its own, where `npx` prints `output` and ends with a status of its own. */
async function runWith(
  { output, testStatus = 0, checkStatus = 0 }: { output: string; testStatus?: number; checkStatus?: number },
): Promise<{ code: number; last: string; text: string }> {
  const npx = `#!/bin/bash
echo "called: $*"
if [ "$4" = check ]; then exit ${checkStatus}; fi
cat <<'END'
${output}
END
exit ${testStatus}
`;
  const stub = "#!/bin/sh\nexit 0\n";
  const files = {
    "README.md": README,
    ".ci/run": await Deno.readTextFile(SCRIPT),
    "bin/npx": npx,
    "bin/dpkg": stub,
    "bin/apt-get": stub,
  };
  return await withTree(files, (root) => {
    for (const name of [".ci/run", "bin/npx", "bin/dpkg", "bin/apt-get"]) {
      Deno.chmodSync(join(root, name), 0o755);
    }
    const { code, stdout, stderr } = new Deno.Command(join(root, ".ci/run"), {
      env: { PATH: `${root}/bin:${Deno.env.get("PATH")}` },
    }).outputSync();
    const text = new TextDecoder().decode(stdout);
    return {
      code,
      last: text.trimEnd().split("\n").at(-1) ?? "",
      text: text + new TextDecoder().decode(stderr),
    };
  });
}

Deno.test(".ci/run ends with the counts of deno's own summary and runs the README's command word for word", async () => {
  const { code, last, text } = await runWith({ output: "ok | 8 passed (4 steps) | 0 failed (54ms)" });
  assert.deepEqual([code, last], [0, "8 passed, 0 failed"]);
  assert.match(text, /called: -y deno@2\.9\.5 task check\n/);
  assert.match(text, /called: -y deno@2\.9\.5 task test\n/);
});

Deno.test(".ci/run names skipped tests only where there are some", async () => {
  const some = await runWith({ output: "ok | 8 passed | 0 failed | 3 ignored (1 step) (1s)" });
  assert.equal(some.last, "8 passed, 0 failed, 3 skipped");
  const none = await runWith({ output: "ok | 8 passed | 0 failed | 0 ignored (1s)" });
  assert.equal(none.last, "8 passed, 0 failed");
});

Deno.test(".ci/run keeps the exit status of failing tests", async () => {
  const { code, last } = await runWith({
    output: "FAILED | 10 passed (4 steps) | 1 failed (1 step) (1s)",
    testStatus: 1,
  });
  assert.deepEqual([code, last], [1, "10 passed, 1 failed"]);
});

Deno.test(".ci/run fails where the checks fail, and the counts stay those of the tests", async () => {
  const { code, last } = await runWith({ output: "ok | 8 passed | 0 failed (1s)", checkStatus: 3 });
  assert.deepEqual([code, last], [3, "8 passed, 0 failed"]);
});

Deno.test(".ci/run fails where the tests end without a summary, even with exit status 0", async () => {
  for (const testStatus of [0, 137]) {
    const { code, last } = await runWith({ output: "Segmentation fault", testStatus });
    assert.equal(last, "0 passed, 1 failed");
    assert.equal(code, testStatus || 1);
  }
});
