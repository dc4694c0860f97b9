import {
  generateText,
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  pretrainDecoder,
} from "../src/foundation/mod.ts";
import { selectBackend } from "../src/tensor/mod.ts";
import type { Options } from "./args.ts";
import { out, ProgressLine, table } from "./terminal.ts";

/** `fedkim foundation inspect | generate | pretrain`. */
export async function foundation(
  options: Options<"foundation inspect"> | Options<"foundation generate"> | Options<"foundation pretrain">,
): Promise<void> {
  await selectBackend(options.backend);
  switch (options.verb) {
    case "foundation inspect": {
      const summary = await inspectCheckpoint(options.dir);
      const rows = Object.entries(summary).map((
        [name, value],
      ) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)]);
      return out.result(options.json ? JSON.stringify(summary) : table(["checkpoint", options.dir], rows));
    }
    case "foundation generate": {
      const decoder = await loadDecoder(options.dir);
      const text = await generateText(decoder, await loadTokenizer(options.dir), options.prompt, {
        maxTokens: options.tokens,
      });
      return out.result(options.json ? JSON.stringify({ prompt: options.prompt, text }) : text);
    }
    case "foundation pretrain":
      return await pretrain(options);
  }
}

async function pretrain(options: Options<"foundation pretrain">): Promise<void> {
  const line = new ProgressLine({ pretrain: "Pre-training the decoder" });
  const steps = pretrainDecoder({
    corpus: options.text,
    extraTexts: [],
    output: options.dir,
    seconds: options.minutes * 60,
    seed: options.seed,
  });
  for (;;) {
    const next = await steps.next();
    if (next.done) {
      line.end();
      return out.result(
        options.json ? JSON.stringify(next.value) : `Wrote ${options.dir}: ${JSON.stringify(next.value)}`,
      );
    }
    line.update({
      stage: "pretrain",
      done: next.value.step,
      total: next.value.steps,
      detail: `loss ${next.value.loss.toFixed(3)}`,
    });
  }
}
