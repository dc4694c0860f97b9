import assert from "node:assert/strict";
import { fedkim, root } from "../_fedkim.ts";
import { testNeeding } from "../_shared.ts";
import { found } from "./_terminal.ts";

/** Registers a test that needs a shell, see `testNeeding` for "terminal". */
function shellTest(shell: string, name: string, body: () => Promise<void>): void {
  testNeeding("terminal", found(shell) ? undefined : `no ${shell} was found`, `${shell}: ${name}`, body);
}

/** Where this Deno keeps its packages. */
async function cacheFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { readonly denoDir: string }).denoDir;
}

/** Runs a script in a shell where `fedkim` is this program and `fedkim.SHELL` its completion script. */
async function inShell(shell: string, args: readonly string[], script: string): Promise<string> {
  const dir = await Deno.makeTempDir();
  try {
    const { stdout: completion } = await fedkim("completion", shell);
    await Deno.writeTextFile(`${dir}/fedkim.${shell}`, completion);
    const call =
      `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-prompt --no-check "${root}cli/main.ts" "$@"\n`;
    await Deno.writeTextFile(`${dir}/fedkim`, call, { mode: 0o755 });
    const output = await new Deno.Command(shell, {
      args: [...args, "-c", script],
      cwd: dir,
      stdin: "null",
      env: {
        PATH: `${dir}:${Deno.env.get("PATH")}`,
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
        HOME: dir,
        DENO_DIR: await cacheFolder(), // the empty home has none, and every completion would download all packages
      },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.ok(output.success, text(output.stderr));
    return text(output.stdout);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

shellTest("bash", "completes verbs, second verbs, options and choices", async () => {
  const at = (...words: string[]) =>
    `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; ` +
    `COMPREPLY=(); _fedkim; echo "\${COMPREPLY[@]}"`;
  const script = [
    "source ./fedkim.bash",
    at("fedkim", "priv"),
    at("fedkim", "verify", ""),
    at("fedkim", "demo", "--st"),
    at("fedkim", "demo", "--backend", "w"),
  ].join("\n");
  const [verbs, second, options, choices] = (await inShell("bash", ["--norc"], script)).split("\n");
  assert.match(verbs, /^privacy-report\s*$/);
  for (const word of ["accounting", "decoder", "m3oe"]) assert.match(second, new RegExp(`\\b${word}\\b`));
  assert.match(options, /^--steps\s*$/);
  assert.deepEqual(choices.trim().split(/\s+/).toSorted(), ["wasm", "webgpu"]);
});

shellTest("zsh", "the script is accepted and registers itself for fedkim", async () => {
  const script =
    "autoload -Uz compinit && compinit -u -d ./dump; source ./fedkim.zsh; echo ${_comps[fedkim]}";
  assert.match(await inShell("zsh", ["-f"], script), /^_fedkim/m);
});

shellTest("fish", "completes verbs and options", async () => {
  const script = 'source ./fedkim.fish; complete -C "fedkim priv"; complete -C "fedkim demo --st"';
  const out = await inShell("fish", ["--no-config"], script);
  assert.match(out, /^privacy-report\b/m);
  assert.match(out, /^--steps\b/m);
});
