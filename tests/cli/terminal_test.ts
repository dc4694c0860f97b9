import assert from "node:assert/strict";
import { terminalTest } from "./_terminal.ts";

terminalTest("in a terminal Tab completes a typed verb and its option", async ({ press, until }) => {
  await until(/ready>/, "a prompt");
  await press("source <(fedkim completion bash); echo loaded", "Enter");
  await until(/^loaded/m, "the completion script");
  await press("fedkim priv", "Tab");
  await until(/fedkim privacy-report/, "the completed verb");
  await press("--for", "Tab");
  await until(/fedkim privacy-report --forecast/, "the completed option");
});

/** How another shell is started in the terminal, and how it reads the completion script. */
const SHELLS = {
  zsh: [
    "PS1='zsh> ' zsh -f",
    "autoload -Uz compinit && compinit -u -d dump; source <(fedkim completion zsh)",
  ],
  fish: ["fish --no-config", "function fish_prompt; echo 'fish> '; end; fedkim completion fish | source"],
} as const;

for (const shell of ["zsh", "fish"] as const) {
  terminalTest(`in a terminal Tab in ${shell} completes a typed verb and its option`, async (terminal) => {
    const { press, until } = terminal;
    const [start, load] = SHELLS[shell];
    await until(/ready>/, "a prompt");
    await press(start, "Enter");
    await press(`${load}; echo lo""aded`, "Enter");
    await until(/^loaded/m, "the completion script");
    await press("fedkim privacy-r", "Tab");
    await until(/> ?\n?fedkim privacy-report/, "the completed verb");
    await press("--forec", "Tab");
    await until(/fedkim privacy-report +--forecast/, "the completed option");
  }, shell);
}

terminalTest(
  "in a terminal a mistake is coloured and says what was meant",
  async ({ dir, press, until, screen }) => {
    await press("fedkim demmo", "Enter");
    await until(/Did you mean `?demo/, "a suggestion");
    await press("fedkim policy --state nowhere", "Enter");
    await until(/ConfigError: /, "an error");
    // deno-lint-ignore no-control-regex
    assert.match(await screen(true), /\x1b\[31mConfigError/);
    await press(
      "clear; NO_COLOR=1 fedkim policy --state nowhere; fedkim policy --state nowhere > file 2>&1",
      "Enter",
    );
    await until(/ConfigError: [\s\S]*ready>\s*$/, "the same error again");
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(await screen(true), /\x1b\[31m/, "NO_COLOR is kept in a terminal too");
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(await Deno.readTextFile(`${dir}/file`), /\x1b/, "a file gets no colours");
  },
);

terminalTest(
  "in a terminal the demo redraws one line with rate and ETA, and Ctrl-C ends it and says how to go on",
  async (terminal) => {
    const { press, until, screen } = terminal;
    await press("fedkim demo --steps 3 --out run", "Enter");
    const first = await until(
      /Making synthetic data +█*░+ \d+\/24 +[\d.]+\/(s|min) +ETA \d/,
      "progress with rate and ETA",
    );
    const [, done] = /(\d+)\/24/.exec(first)!;
    const later = await until(/Pre-training on public +█*░* \d+\/\d+/, "the next stage");
    assert.equal(later.match(/Making synthetic data/g)!.length, 1, "one line, drawn again and again");
    assert.match(later, /Making synthetic data +█{20} 24\/24 +in \d+ s/);
    assert.ok(Number(done) < 24);
    // deno-lint-ignore no-control-regex
    assert.match(await screen(true), /\x1b\[36m█/, "the bar has a colour");
    await press("C-c");
    await until(/Interrupted: Stopped on request\.[\s\S]*Start the same command again/, "how to go on");
    await press("echo status=$?", "Enter");
    await until(/^status=130/m, "the exit status");
  },
);

terminalTest(
  "in a terminal a name with control sequences is shown, and none is obeyed",
  async ({ press, until }) => {
    await press("fedkim policy --state $'\\e[8mhid''den'", "Enter");
    assert.match(await until(/ConfigError: [^]*hidden/, "the name"), /\ufffd\[8mhidden/);
  },
);
