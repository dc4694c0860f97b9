import {
  EMBEDDED_PRETRAIN,
  generateText,
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  pretrainDecoder,
  readPriorityTexts,
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
    ...EMBEDDED_PRETRAIN,
    corpus: options.text,
    priorityTexts: await readPriorityTexts(),
    output: options.dir,
    seed: options.seed,
    ...(options.steps === undefined ? {} : { steps: options.steps }),
  });
  for (;;) {
    const next = await steps.next();
    if (next.done) {
      line.end();
      return out.result(
        options.json ? JSON.stringify(next.value) : `Wrote ${options.dir}: ${JSON.stringify(next.value)}`,
      );
    }
    const { step, loss } = next.value;
    line.update({
      stage: "pretrain",
      done: step,
      total: next.value.steps,
      detail: `loss ${loss.toFixed(3)}`,
    });
  }
}
