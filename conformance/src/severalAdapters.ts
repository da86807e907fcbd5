import { join } from "node:path";
import { Generator, tensor } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import { type CombinationType, type OnWarning, PeftModel } from "@lowrank/peft";
import { compare, type Findings, type Results } from "./compare.ts";
import { logitsOf, type PackedTensors, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

const kinds = ["magnitude_prune", "ties", "dare_linear", "dare_ties"] as const;
const types: readonly CombinationType[] = [
  ...(["linear", "cat", "svd"] as const),
  ...kinds.flatMap((kind) => [kind, `${kind}_svd`] as const),
];

/** Returns PEFT's options of two adapters with one rank, on all kinds of layers that LoRA supports. */
function optionsOf(isGpt2: boolean): Record<string, unknown>[] {
  const [first, second] = isGpt2
    ? [
        ["c_attn", "wte"],
        ["c_attn", "c_fc", "wte"],
      ]
    : [
        ["q_proj", "down_proj"],
        ["q_proj", "v_proj"],
      ];
  const shared = { r: 4, lora_alpha: 6, fan_in_fan_out: isGpt2 };
  return [
    { ...shared, target_modules: [...first, ...second] },
    { ...shared, target_modules: second },
  ];
}

/** Adapters with other ranks and scalings, on other layers: two for hot swaps, one for combinations. */
const otherRanks: readonly Record<string, unknown>[] = [
  { r: 7, lora_alpha: 3, target_modules: ["q_proj", "down_proj"] },
  { r: 2, lora_alpha: 9, target_modules: ["v_proj", "q_proj"] },
  {
    ...{ r: 3, lora_alpha: 5, use_rslora: true, rank_pattern: { "1.self_attn.q_proj": 5 } },
    ...{ alpha_pattern: { down_proj: 2 }, target_modules: ["q_proj", "o_proj", "down_proj"] },
  },
];

/** Arguments of PEFT's `add_weighted_adapter`. */
interface Combined {
  adapters: string[];
  weights: number[];
  combination_type: CombinationType;
  svd_rank: number;
  density: number;
  majority_sign_method: "total" | "frequency";
}

/**
 * Returns weighted sums of all types: of adapters with equal ranks, and with different ranks if the type supports them.
 */
function combinations(isGpt2: boolean): Combined[] {
  const combination = (type: CombinationType, i: number, adapters: string[], weights: number[]): Combined => ({
    ...{ adapters, weights, combination_type: type, svd_rank: 3, density: 0.4 },
    majority_sign_method: i % 2 === 0 ? "total" : "frequency",
  });
  const anyRank = isGpt2 ? [] : types.filter((type) => type === "cat" || type.endsWith("svd"));
  return [
    ...types.map((type, i) => combination(type, i, ["a0", "a1"], [0.8, -0.5])),
    ...anyRank.map((type, i) => combination(type, i, ["a1", "a4", "a2"], [-0.8, 0.5, 0.3])),
  ];
}

/**
 * Checks batches with one adapter for each row, weighted sums of all types, and hot swaps, from files of both sides.
 */
export async function severalAdapters(python: Python, base: string, vocab: number, seed: number): Promise<Findings> {
  const out = `${base}-several`;
  const ids = new Int32Array(4 * 9);
  new Generator(seed).fillInt(ids, 1, vocab);
  const input_ids = Array.from({ length: 4 }, (_, row) => [...ids.subarray(row * 9, (row + 1) * 9)]);
  const rows = ["a1", "__base__", "a0", "a1"];
  const isGpt2 = base.includes("gpt2");
  const options = [...optionsOf(isGpt2), ...(isGpt2 ? [] : otherRanks)];
  const swaps = isGpt2 ? [] : ["a1", "a2", "a3", "a1"];
  const sums = combinations(isGpt2);
  const { tensors } = await python.ask<{ tensors: PackedTensors }>("several_adapters", {
    ...{ base, options, input_ids, rows, combinations: sums, swaps, out },
  });
  const inputs = { inputIds: tensor(input_ids, { dtype: "i32" }), labels: tensor(input_ids, { dtype: "i32" }) };
  const problems: string[] = [];
  const load = async (folder: string): Promise<PeftModel<CausalLM>> => {
    const { model } = await loadModel(base);
    const peft = await PeftModel.fromPretrained(model, join(folder, "a0"), { adapterName: "a0", onWarning });
    for (let i = 1; i < options.length; i++) await peft.loadAdapter(join(folder, `a${i}`), `a${i}`);
    return peft;
  };
  const onWarning: OnWarning = ({ code, message }) => void (code === "tied-weight" || problems.push(message));

  const peft = await load(out);
  const ours: Results = new Map();
  ours.set("logits.rows", await peft.withAdapterNames(rows, () => logitsOf(peft, inputs)));
  for (const [i, sum] of sums.entries()) {
    await peft.addWeightedAdapter(sum.adapters, sum.weights, `sum${i}`, {
      ...{ combinationType: sum.combination_type, svdRank: sum.svd_rank, density: sum.density, seed: i },
      majoritySignMethod: sum.majority_sign_method,
    });
    peft.setAdapter(`sum${i}`);
    ours.set(`logits.sum${i}`, await logitsOf(peft, inputs));
  }
  const pickled = await load(join(out, "bin"));
  pickled.setAdapter("a0");
  for (const [i, name] of swaps.entries()) {
    await pickled.hotswapAdapter(join(out, "bin", name), "a0");
    ours.set(`logits.swap${i}`, await logitsOf(pickled, inputs));
  }
  const findings = compare(ours, unpack(tensors));
  return { ...findings, problems: [...problems, ...findings.problems] };
}
