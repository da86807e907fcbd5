import { join } from "node:path";
import { Generator } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { getPeftModel, LoraConfig, type LoraOptions, PeftModel } from "@lowrank/peft";
import type { AdapterCase } from "./adapterCase.ts";
import { asTensors, randomBatch } from "./batch.ts";
import { compare, type Findings } from "./compare.ts";
import { type Applied, oursInPeft, type Trial, theirsInLowrank } from "./directions.ts";
import { logitsOf, measure, train, unpack } from "./measure.ts";
import { lora } from "./methods/lora.ts";
import type { Python } from "./python.ts";
import type { Report } from "./report.ts";

const sizes = {
  ...{ vocab_size: 61, initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 },
  ...{ hidden_size: 24, intermediate_size: 20, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ max_position_embeddings: 64, rms_norm_eps: 1e-4 },
};

/** Small models with routed experts, as transformers configs. */
const bases = {
  mixtral: { model_type: "mixtral", ...sizes, num_local_experts: 3, num_experts_per_tok: 2, sliding_window: null },
  qwen2_moe: {
    ...{ model_type: "qwen2_moe", ...sizes, num_experts: 3, num_experts_per_tok: 2 },
    ...{ moe_intermediate_size: 11, shared_expert_intermediate_size: 9 },
  },
  gemma4_text: {
    ...{ model_type: "gemma4_text", ...sizes, head_dim: 6, global_head_dim: 6 },
    ...{ enable_moe_block: true, num_experts: 3, top_k_experts: 2, moe_intermediate_size: 11 },
    ...{ hidden_size_per_layer_input: 0, vocab_size_per_layer_input: 61 },
    layer_types: ["sliding_attention", "full_attention"],
  },
  llama: { model_type: "llama", ...sizes },
};

type ExpertBase = keyof typeof bases;

const both = ["experts.gate_up_proj", "experts.down_proj"];

/** LoRA on parameters, by base model. */
const cases: readonly (readonly [base: ExpertBase, name: string, options: LoraOptions])[] = [
  ...(["mixtral", "qwen2_moe", "gemma4_text"] as const).flatMap((base) => [
    [base, "all experts", { r: 2, loraAlpha: 6, targetParameters: both }] as const,
    [
      base,
      "one parameter, and attention",
      { r: 3, initLoraWeights: false, targetModules: ["q_proj", "o_proj"], targetParameters: ["experts.down_proj"] },
    ] as const,
    [
      base,
      "ranks and alphas of parameters",
      {
        ...{ r: 2, useRslora: true, targetModules: [], targetParameters: both },
        ...{ rankPattern: { "experts.gate_up_proj": 3 }, alphaPattern: { "layers.1.*.down_proj": 5 } },
      },
    ] as const,
  ]),
  ["mixtral", "routers", { r: 2, targetParameters: ["gate.weight", "experts.down_proj"] }],
  ["llama", "default targets, and weights", { r: 2, targetParameters: ["o_proj.weight", "lm_head.weight"] }],
];

/** Checks LoRA on parameters in both directions, and adapters of Mixtral from the time before transformers 5. */
export async function expertChecks(python: Python, folder: string, report: Report): Promise<void> {
  const trialOf = (base: ExpertBase, seed: number, place: string): Trial => {
    const { vocab_size: classes } = bases[base];
    return { python, base: join(folder, `${base}-base`), batch: randomBatch(seed, classes), folder: place, classes };
  };
  for (const [base, config] of Object.entries(bases)) {
    await python.ask("make_model", { config, seed: 1, out: join(folder, `${base}-base`) });
  }
  for (const [index, [base, name, options]] of cases.entries()) {
    const adapter: AdapterCase = { peftType: "LORA", options, method: lora, merges: true, task: "CAUSAL_LM" };
    const trial = trialOf(base, index, join(folder, `parameters${index}`));
    await report.check(`${base}, parameters, ${name}: ours in PEFT`, () => oursInPeft(adapter, trial));
    await report.check(`${base}, parameters, ${name}: PEFT's in Lowrank`, () => theirsInLowrank(adapter, trial));
  }
  await report.check("mixtral, an adapter of single experts: PEFT converts it, and Lowrank reads both forms", () =>
    convertedExperts(trialOf("mixtral", 1, join(folder, "converted"))),
  );
}

/**
 * Trains an adapter of the experts' linear layers, which files contained before transformers 5. PEFT converts the file,
 * and must compute the same. Lowrank must do so too, with the converted file.
 */
async function convertedExperts({ python, base, batch, folder }: Trial): Promise<Findings> {
  const [old, again] = ["old", "again"].map((name) => join(folder, name));
  const inputs = asTensors(batch);
  const options = { r: 2, loraAlpha: 6, initLoraWeights: false, targetModules: ["q_proj", "w1", "w2", "w3"] };
  const load = async () => (await loadModel(base)).model;
  const config = new LoraConfig({ ...options, taskType: "CAUSAL_LM" });
  const peft = await getPeftModel(await load(), config, { generator: new Generator(3) });
  await train(peft, inputs, { steps: 4, lr: 5e-3 });
  await peft.savePretrained(old);
  const ours = await measure(peft, inputs, false);
  ours.set("merged_logits", await logitsOf(await peft.mergeAndUnload(), inputs));
  const request = { base, adapter: old, inputs: batch, merge: "float32", again };
  const theirs = await python.ask<Applied>("apply_adapter", request);
  const answers = new Map([...unpack(theirs.tensors)].filter(([name]) => !name.startsWith("grad.")));
  const found = compare(ours, answers);
  const converted = await PeftModel.fromPretrained(await load(), again);
  const { targetParameters } = converted.peftConfig.get("default") as LoraConfig;
  const names = [...(targetParameters ?? [])].sort().join();
  const problems = names === "down_proj,gate_up_proj" ? [] : [`PEFT converted to the parameters ${names}`];
  const read = await measure(converted, inputs, false);
  read.set("merged_logits", await logitsOf(await converted.mergeAndUnload(), inputs));
  const alike = compare(read, answers);
  return { differences: found.differences, problems: [...found.problems, ...alike.problems, ...problems] };
}
