import { join } from "node:path";
import { Generator, matmul, noGrad, scope, tensor } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import {
  type ArrowConfig,
  createArrowModel,
  getPeftModel,
  LoraConfig,
  type LoraOptions,
  preprocessCorda,
  preprocessLoraGa,
} from "@lowrank/peft";
import { compare, type Findings, type Results, usualTolerances } from "./compare.ts";
import { logitsOf, type PackedTensors, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

/** Returns random token ids, [rows, length]. */
function randomIds(seed: number, vocab: number, rows: number, length: number): number[][] {
  const ids = new Int32Array(rows * length);
  new Generator(seed).fillInt(ids, 1, vocab);
  return Array.from({ length: rows }, (_, row) => [...ids.subarray(row * length, (row + 1) * length)]);
}

/** The targets of a model of the fixed checks, with Conv1D in gpt2. */
const targetsOf = (base: string) => (base.includes("gpt2") ? ["c_attn", "c_fc"] : ["q_proj", "v_proj", "down_proj"]);

/**
 * Allowed differences of CorDA's products, under the name of logits. PEFT inverts covariances in float32, whose
 * condition numbers here reach 1300: its products differ from products in float64 by up to 3.6e-5.
 */
const productTolerances = { ...usualTolerances, logits: 1e-4 };

/** Checks the logits of an Arrow router over adapters that PEFT wrote, without and with general adapters. */
export async function arrowRouting(python: Python, base: string, vocab: number): Promise<Findings> {
  const targets = { target_modules: targetsOf(base), fan_in_fan_out: base.includes("gpt2") };
  const options = [3, 6, 4, 5, 2].map((lora_alpha) => ({ r: 4, lora_alpha, ...targets }));
  const input_ids = randomIds(3, vocab, 3, 9);
  const inputs = { inputIds: tensor(input_ids, { dtype: "i32" }), labels: tensor(input_ids, { dtype: "i32" }) };
  const [differences, problems]: [Findings["differences"], string[]] = [new Map(), []];
  const cases: (Partial<ArrowConfig> & { arrow: object })[] = [
    { topK: 2, rngSeed: 4, arrow: { top_k: 2, rng_seed: 4 } },
    { topK: 1, rngSeed: 5, useGks: true, arrow: { top_k: 1, rng_seed: 5, use_gks: true } },
    { topK: 3, rngSeed: 6, routerTemperature: 0.2, arrow: { top_k: 3, rng_seed: 6, router_temperature: 0.2 } },
  ];
  for (const [i, { arrow, ...ours }] of cases.entries()) {
    const out = `${base}-arrow${i}`;
    const request = { base, options, arrow, tasks: 3, input_ids, out };
    const { tensors } = await python.ask<{ tensors: PackedTensors }>("arrow_model", request);
    const folders = options.map((_, k) => join(out, `a${k}`));
    const { model } = await loadModel(base);
    const peft = await createArrowModel(model, folders.slice(0, 3), ours, { generalAdapters: folders.slice(3) });
    const found = compare(new Map([["logits", await logitsOf(peft, inputs)]]), unpack(tensors));
    differences.set(`logits.${i}`, found.differences.get("logits")!);
    problems.push(...found.problems);
  }
  return { differences, problems };
}

/** Checks what LoRA-GA or CorDA measures on a model and, for CorDA, the products B A with which it starts. */
export async function measuredStart(
  python: Python,
  base: string,
  vocab: number,
  start: "lora_ga" | "corda",
): Promise<Findings> {
  const input_ids = randomIds(5, vocab, 4, 25);
  const options: LoraOptions = { r: 3, loraAlpha: 5, initLoraWeights: start, targetModules: targetsOf(base) };
  const corda = start === "corda" ? { corda_config: { corda_method: "ipm" } } : { lora_ga_config: {} };
  const config = { r: 3, lora_alpha: 5, init_lora_weights: start, target_modules: targetsOf(base), ...corda };
  const { tensors } = await python.ask<{ tensors: PackedTensors }>("measured_start", { base, config, input_ids });
  const { model } = await loadModel(base);
  const run = (each: (inputs: Parameters<typeof model.loss>[0]) => void) => () => {
    for (const row of input_ids) {
      const ids = tensor([row], { dtype: "i32" });
      scope(() => each({ inputIds: ids, labels: ids }));
    }
  };
  const ours: Results = new Map();
  const ourConfig = new LoraConfig(options);
  const measured =
    start === "corda"
      ? await preprocessCorda(
          model,
          ourConfig,
          run((inputs) => void noGrad(() => model.loss(inputs))),
        )
      : await preprocessLoraGa(
          model,
          ourConfig,
          run((inputs) => model.loss(inputs).backward()),
        );
  for (const [path, values] of measured) ours.set(`grad.${path}`, values);
  if (start === "corda") {
    const peft = await getPeftModel(model, ourConfig, { onWarning: () => {} });
    const factors = peft.adapterTensors();
    for (const path of measured.keys()) {
      const [a, b] = ["A", "B"].map((name) => factors.get(`base_model.model.${path}.lora_${name}.weight`)!);
      using product = noGrad(() => matmul(b, a));
      ours.set(`logits.${path}`, (await product.data()) as Float32Array);
    }
  }
  return compare(ours, unpack(tensors), productTolerances);
}
