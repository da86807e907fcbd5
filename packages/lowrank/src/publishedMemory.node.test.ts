import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  describeAdapter,
  describeModel,
  LoraConfig,
  type PlanOptions,
  planMemory,
  presetConfig,
  type QuantizeOptions,
} from "./index.gen.ts";

const doc = readFileSync(join(import.meta.dirname, "../../../docs/planner.md"), "utf8");
/** Text of the page with its lines joined. */
const prose = doc.replaceAll(/\s+/g, " ");
const planOf = (preset: string, options: PlanOptions) => planMemory(describeModel(presetConfig(preset)), options);

/** QLoRA's setting: Dettmers et al. 2023, arXiv:2305.14314. */
const qlora: PlanOptions = {
  adapter: new LoraConfig({ r: 64, targetModules: "all-linear" }),
  quantization: { quantType: "nf4", doubleQuant: true },
  dtype: "bf16",
  adapterDtype: "bf16",
  gradientCheckpointing: true,
  sequenceLength: 512,
};
/** Plans in QLoRA's setting by preset, shared between tests. */
const qloraPlans = new Map<string, ReturnType<typeof planMemory>>();
const qloraPlan = (preset: string) => {
  const plan = qloraPlans.get(preset) ?? planOf(preset, qlora);
  qloraPlans.set(preset, plan);
  return plan;
};
const allQloraPlans = () => Promise.all(["llama-7b", "llama-13b", "llama-33b", "llama-65b"].map(qloraPlan));
const mega = (bytes: number) => {
  return (bytes / 1e6).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
};

test.each([
  ["7B", "llama-7b", 6_738_415_616, "3,340.8", "524.8", 159_907_840],
  ["13B", "llama-13b", 13_015_864_320, "6,545.2", "656.2", 250_347_520],
  ["33B", "llama-33b", 32_528_943_616, "16,560.5", "853.6", 487_587_840],
  ["65B", "llama-65b", 65_285_660_672, "33,407.7", "1,051.2", 799_539_200],
])(
  "QLoRA on %s: parameters exact, megabytes to the printed digit",
  async (name, preset, parameters, packed, rest, trained) => {
    const plan = await qloraPlan(preset);
    const { weights, adapter, gradients, optimizer } = plan;
    expect(weights.quantized.parameters + weights.rest.parameters).toBe(parameters);
    expect([mega(weights.quantized.bytes), mega(weights.rest.bytes)]).toEqual([packed, rest]);
    expect(adapter).toEqual({ parameters: trained, bytes: 2 * trained });
    expect(gradients).toEqual(adapter);
    expect(optimizer).toBe(8 * trained);
    const cells = [name, parameters.toLocaleString("en-US"), packed, rest, mega(adapter.bytes), mega(optimizer)];
    const row = doc.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
    expect(row.find((found) => found[1] === name)?.slice(1, 7)).toEqual(cells);
  },
);

test("65B fits into 48e9 bytes, even as the sum of its parts", async () => {
  const { weights, adapter, gradients, optimizer, activations, training } = await qloraPlan("llama-65b");
  expect(training.bytes).toBeLessThan(48e9);
  expect(weights.bytes + adapter.bytes + gradients.bytes + optimizer + activations).toBeLessThan(48e9);
});

test("a step on each of them takes what the page says", async () => {
  const plans = await allQloraPlans();
  const [a, b, c, d] = plans.map(({ training }) => (training.bytes / 1e9).toFixed(1));
  expect(prose).toContain(`a step here takes ${a}, ${b}, ${c} and ${d} GB`);
});

test("double quantisation saves 0.373 bits of a parameter, about 3 GB at 65B", async () => {
  const bytes = async (doubleQuant: boolean) =>
    (await planOf("llama-65b", { ...qlora, quantization: { quantType: "nf4", doubleQuant } })).weights.quantized;
  const [single, double] = [await bytes(false), await bytes(true)];
  const saved = single.bytes - double.bytes;
  expect(((8 * saved) / single.parameters).toFixed(3)).toBe("0.373");
  expect((saved / 1e9).toFixed(2)).toBe("3.02");
});

test("all of 65B in bf16 takes more than 780 GB", async () => {
  const { weights, gradients, optimizer } = await planOf("llama-65b", { dtype: "bf16", gradientCheckpointing: true });
  const masters = 4 * gradients.parameters;
  const total = weights.bytes + gradients.bytes + optimizer - masters;
  expect(total).toBe(12 * 65_285_660_672);
  expect(total).toBeGreaterThan(780e9);
  expect(prose).toContain(`takes ${Math.floor(total / 1e9)} GB for weights, gradients and moments`);
  expect(prose).toContain(`takes ${Math.floor(masters / 1e9)} GB more for their f32 copies`);
});

test("a step on SmolLM2-135M takes what the page says", async () => {
  const adapter = new LoraConfig({ r: 8, targetModules: "all-linear" });
  const step = { adapter, batchSize: 2, sequenceLength: 128 };
  const bytes = async (quantization: QuantizeOptions | null) =>
    (await planOf("smollm2-135m", { ...step, quantization })).training.bytes.toLocaleString("en-US");
  const [lora, qlora] = [await bytes(null), await bytes({ quantType: "nf4", doubleQuant: true })];
  expect(prose).toContain(`LoRA ${lora} bytes, QLoRA with double quantisation ${qlora}, planned and measured`);
});

test("the figures beside those that cannot be derived are what is computed", async () => {
  const row = (start: string) => prose.split(" - ").find((item) => item.startsWith(`**${start}`)) ?? "";
  const plans = await allQloraPlans();
  const range = (of: (plan: (typeof plans)[number]) => number) => `${mega(of(plans[0]))} to ${mega(of(plans[3]))}`;
  expect(row("QLoRA: base models")).toContain(range(({ weights }) => weights.bytes));
  expect(row("QLoRA: adapters")).toContain(range(({ adapter }) => adapter.bytes));
  expect(row("QLoRA: adapters")).toContain(range(({ optimizer }) => optimizer));
  expect(row("QLoRA: Guanaco")).toContain(plans.map(({ weights }) => (weights.bytes / 1e9).toFixed(1)).join(", "));

  const [medium, gpt3] = ["gpt2-medium", "gpt3-175b"].map((preset) => describeModel(presetConfig(preset)));
  expect(row("LoRA: GPT-3 from")).toContain(`${((2 * gpt3.parameterCount) / 1e9).toFixed(1)} GB`);
  expect(row("LoRA: GPT-2 M has")).toContain(medium.parameterCount.toLocaleString("en-US"));
  expect(row("LoRA: GPT-3 has")).toContain(gpt3.parameterCount.toLocaleString("en-US"));
  // Rank 4 on the fused c_attn gives as many parameters as on separate queries and values.
  const rank4 = async (preset: string) =>
    (await describeAdapter(describeModel(presetConfig(preset)), new LoraConfig({ r: 4 }))).trainable.toLocaleString(
      "en-US",
    );
  expect(row("LoRA: checkpoint")).toContain(await rank4("gpt3-175b"));
  expect(row("LoRA: GPT-2 M 0.35M")).toContain(`${await rank4("gpt2-medium")}; ${await rank4("gpt2-large")}`);
});
