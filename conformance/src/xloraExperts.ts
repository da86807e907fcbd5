import { join } from "node:path";
import { loadModel } from "@lowrank/models";
import { PeftModel, xloraModel } from "@lowrank/peft";
import { asTensors, type Batch } from "./batch.ts";
import { compare, type Findings, type Results, usualTolerances } from "./compare.ts";
import { measure, type PackedTensors, train, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

/** PEFT's options of X-LoRA in the checks. PEFT loads experts only for models with a module `model`. */
const cases = [
  { xlora_depth: 1 },
  { xlora_depth: 2, xlora_size: 12, layerwise_scalings: true, top_k_lora: 2, global_scaling_weight: 1.5 },
  { xlora_depth: 3, xlora_size: 9, xlora_dropout_p: 0, softmax_temperature: 0.5, scaling_pass_value: 0.3 },
  { layerwise_scalings: true, top_k_lora: 2, enable_softmax_topk: true, use_trainable_adapters: true },
  { enable_softmax: false, scaling_pass_value: -0.2, use_trainable_adapters: true },
];

/**
 * Allowed differences without a softmax. The gradient of the classifier's bias is then a sum of values that almost
 * cancel: PEFT's in float32 differs from its own in float64 by 9.5e-4. xlora.test.ts compares such
 * gradients with PEFT's in float64.
 */
const plainTolerances = { ...usualTolerances, grad: 3e-3 };

/** PEFT's gradients of the experts have the experts' names, and are compared in xlora.test.ts. */
async function ourAnswers(peft: PeftModel, inputs: ReturnType<typeof asTensors>): Promise<Results> {
  const found = await measure(peft as never, inputs);
  const results = new Map([...found].filter(([name]) => !name.includes(".lora_")));
  const scalings = xloraModel(peft).getLatestScalings()!;
  return results.set("logits.scalings", (await scalings.data()) as Float32Array);
}

/**
 * Checks X-LoRA over experts of PEFT: in Lowrank with PEFT's classifier, and in PEFT with the files that Lowrank writes
 * after two steps of training. Also checks that a file without some of the classifier's tensors, as PEFT's
 * `save_pretrained` writes it, is refused.
 */
export async function xloraExperts(
  python: Python,
  { base, batch, hidden }: { base: string; batch: Batch; hidden: number },
): Promise<Findings> {
  const [differences, problems]: [Findings["differences"], string[]] = [new Map(), []];
  const add = (label: string, found: Findings) => {
    for (const [name, difference] of found.differences) differences.set(`${name}.${label}`, difference);
    problems.push(...found.problems.map((problem) => `${label}: ${problem}`));
  };
  const options = [
    { r: 4, lora_alpha: 3, target_modules: ["q_proj", "v_proj", "down_proj"] },
    { r: 2, lora_alpha: 6, target_modules: ["q_proj", "up_proj"], use_rslora: true },
    { r: 3, lora_alpha: 4, target_modules: ["v_proj", "embed_tokens"] },
  ];
  const inputs = asTensors(batch);
  for (const [i, fields] of cases.entries()) {
    const tolerances = "enable_softmax" in fields ? plainTolerances : usualTolerances;
    const out = `${base}-xlora${i}`;
    const config = { hidden_size: hidden, task_type: "CAUSAL_LM", ...fields };
    const request = { base, options, config, inputs: batch, seed: i, out };
    const theirs = await python.ask<{ tensors: PackedTensors }>("xlora_experts", request);
    const load = async (folder: string) => {
      const { model } = await loadModel(base);
      return PeftModel.fromPretrained(model, folder, { isTrainable: true, onWarning: () => {} });
    };
    const refused = await load(join(out, "saved")).then(
      () => "nothing",
      (error: Error) => error.message,
    );
    if (!refused.includes("missing: base_model.")) problems.push(`PEFT's own file gives ${refused}`);
    const peft = await load(join(out, "whole"));
    peft.eval();
    add(`theirs${i}`, compare(await ourAnswers(peft, inputs), unpack(theirs.tensors), tolerances));
    await train(peft as never, inputs, { steps: 2, lr: 5e-3 });
    const adapter = join(out, "ours");
    await peft.savePretrained(adapter);
    const found = await python.ask<{ tensors: PackedTensors }>("xlora_apply", {
      base,
      adapter,
      experts: 3,
      inputs: batch,
    });
    add(`ours${i}`, compare(await ourAnswers(peft, inputs), unpack(found.tensors), tolerances));
  }
  return { differences, problems };
}
