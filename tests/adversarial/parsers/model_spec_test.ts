import assert from "node:assert/strict";
import { checkAggregatorConfig } from "../../../src/federation/mod.ts";
import { type EncoderSpec, MAX_ATTENTION_BLOCKS, parseLocalModelSpec } from "../../../src/local/mod.ts";
import { spec } from "../../federation/_plan.ts";
import { LEAST_CONFIG } from "../../federation/_least_config.ts";

/** The plan's description with other encoders, as a hostile aggregator would sign it. */
function withEncoders(count: number, blocks: number): unknown {
  const encoder: EncoderSpec = {
    ...spec.encoders[0],
    views: [{ name: "sequence", features: 4 }],
    attention: { blocks, heads: 1 },
  };
  return { ...spec, encoders: Array.from({ length: count }, (_, i) => ({ ...encoder, modality: `m${i}` })) };
}

Deno.test("a plan's numbers cannot make a site derive more layers than the plan is long", () => {
  assert.throws(
    () => parseLocalModelSpec(withEncoders(1, 2 ** 24)),
    { code: "ModelError", message: /encoders\.0\.attention\.blocks/ },
  );
  const tensors = spec.parameters.length;
  assert.throws(() => parseLocalModelSpec(withEncoders(tensors, MAX_ATTENTION_BLOCKS)), {
    code: "ModelError",
    message: new RegExp(`${tensors * MAX_ATTENTION_BLOCKS} blocks of attention in ${tensors} tensors`),
  });
});

Deno.test("a configuration with deeper encoders than a plan may have is refused with the field's name", () => {
  const config = (blocks: number) => ({
    ...LEAST_CONFIG,
    model: { attention: { image: { blocks } } },
  });
  checkAggregatorConfig(config(MAX_ATTENTION_BLOCKS), "The configuration");
  assert.throws(
    () => checkAggregatorConfig(config(MAX_ATTENTION_BLOCKS + 1), "The configuration"),
    { code: "ConfigError", message: /model\.attention\.image\.blocks/ },
  );
});
