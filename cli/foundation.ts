import {
  checkTokenizer,
  DEFAULT_PRETRAIN,
  detectTemplate,
  formatPrompt,
  generateText,
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  openCheckpoint,
  pretrainDecoder,
  PROMPT_TEMPLATES,
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
    case "foundation generate":
      return await generate(options);
    case "foundation pretrain":
      return await pretrain(options);
  }
}

async function generate(options: Options<"foundation generate">): Promise<void> {
  const { temperature, topK, topP, seed } = options;
  const tokenizer = await loadTokenizer(options.dir);
  checkTokenizer(tokenizer, (await openCheckpoint(options.dir)).config, options.dir);
  const name = options.template ?? detectTemplate(tokenizer.chatTemplate);
  const template = PROMPT_TEMPLATES[name];
  const prompt = name === "plain"
    ? options.prompt
    : formatPrompt(template, [{ role: "user", text: options.prompt }]);
  const use = { batch: 1, tokens: 1 + tokenizer.encode(prompt).length, newTokens: options.tokens };
  const decoder = await loadDecoder(options.dir, { use, report: out.note });
  const sampled = temperature !== undefined || topK !== undefined || topP !== undefined;
  const sampling = {
    seed,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
  };
  const text = await generateText(decoder, tokenizer, prompt, {
    maxTokens: options.tokens,
    stop: [...template.stop, ...options.stop],
    ...(sampled ? { sampling } : {}),
  });
  out.result(
    options.json ? JSON.stringify({ prompt, text, template: name, seed: sampled ? seed : null }) : text,
  );
}

async function pretrain(options: Options<"foundation pretrain">): Promise<void> {
  const line = new ProgressLine({ pretrain: "Pre-training the decoder" });
  const steps = pretrainDecoder({
    ...DEFAULT_PRETRAIN,
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
