// Measures the overhead of an adapter at inference, which is zero for a merged one. Models of the 15M shape decode in
// turn.
import { init } from "@lowrank/core";
import { type CausalLM, generate } from "@lowrank/models";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig, PrefixTuningConfig, SeqBnConfig } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { loraStepCases, randomModel } from "./lib/loraStep.ts";
import { machine, median, printTable } from "./lib/measure.ts";

const ROUNDS = 41;
const NEW_TOKENS = 16;
const prompt = Array.from({ length: 32 }, (_, i) => (i * 7919) % loraStepCases.m15.config.vocab_size);

const lora = { r: 16, targetModules: "all-linear", initLoraWeights: false } as const;
const adapters: Readonly<Record<string, PeftConfig>> = {
  lora: new LoraConfig(lora),
  dora: new LoraConfig({ ...lora, useDora: true }),
  ia3: new IA3Config(),
  prefix: new PrefixTuningConfig({ numVirtualTokens: 20, taskType: "CAUSAL_LM" }),
  adapter: new SeqBnConfig(),
};

async function contestants(): Promise<Map<string, CausalLM>> {
  const base = () => randomModel(loraStepCases.m15.config).eval();
  const models = new Map([["base", base()]]);
  const merged = await getPeftModel(base(), new LoraConfig(lora));
  models.set("merged", await merged.mergeAndUnload());
  for (const [name, config] of Object.entries(adapters))
    models.set(name, (await getPeftModel(base(), config)).eval().baseModel);
  return models;
}

/**
 * Prints the time per token and one line of JSON: each contestant's time over the base model's in the same round, by
 * median.
 */
export async function bench(): Promise<void> {
  await init(wasm());
  const models = [...(await contestants())];
  const times = new Map(models.map(([name]) => [name, [] as number[]]));
  for (let round = -2; round < ROUNDS; round++) {
    // Each round starts with another contestant, so that none always follows the same one.
    const first = (round + 2) % models.length;
    for (const [name, model] of [...models.slice(first), ...models.slice(0, first)]) {
      const start = performance.now();
      await generate(model, [prompt], { maxNewTokens: NEW_TOKENS, eosTokenIds: [] });
      if (round >= 0) times.get(name)!.push((performance.now() - start) / NEW_TOKENS);
    }
  }
  const base = times.get("base")!;
  const ratios = [...times].map(([name, all]) => [name, median(all.map((time, i) => time / base[i]!))] as const);
  console.log(
    `${machine()}\n\n15M shape, ${prompt.length} prompt tokens, ${NEW_TOKENS} new ones, r 16 on all linear layers`,
  );
  printTable(
    ["", "ms a token", "best", "over base"],
    ratios.map(([name, ratio]) => {
      const all = times.get(name)!;
      return [name, median(all).toFixed(3), Math.min(...all).toFixed(3), ratio.toFixed(3)];
    }),
  );
  const figures = ratios.slice(1).map(([name, ratio]) => [name, Number(ratio.toFixed(4))]);
  console.log(`\n${JSON.stringify({ overhead: Object.fromEntries(figures) })}`);
}
