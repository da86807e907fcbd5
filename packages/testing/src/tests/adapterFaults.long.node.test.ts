import { add, copyInto, Generator, noGrad, randn } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import {
  type AdapterFiles,
  lesson,
  loadNano,
  trainAdapter,
  withConfig,
  withValues,
} from "@lowrank/test-support/nanoAdapters";
import { beforeAll, expect, test } from "vitest";
import { buildModel, smallestModel } from "../subjects/modelDescription.ts";
import { runSuite } from "../suite/runSuite.ts";
import type { Suite } from "../suite/shared/suite.ts";

type Nano = Awaited<ReturnType<typeof loadNano>>;

const file = "adapter_model.safetensors";
let nano: Nano;
/** Nano with other weights of the same shapes. */
let other: Nano;
let trained: AdapterFiles;

beforeAll(async () => {
  nano = await loadNano();
  other = await loadNano();
  const generator = new Generator(3);
  for (const [name, parameter] of other.model.namedParameters()) {
    if (!/mlp/.test(name)) continue;
    noGrad(() => copyInto(parameter, add(parameter, randn(parameter.shape, { generator, std: 0.05 }))));
  }
  trained = await trainAdapter(nano, 40);
});

const general = lesson.map(({ prompt }) => ({
  prompt,
  completion: prompt.replace(/print the sum of (\w+) and (\d+)\n/, "print($1 + $2)"),
}));
const suite: Suite = {
  adapter: { config: { target_modules: ["q_proj", "v_proj"], lora_alpha: 8 } },
  generation: { maxNewTokens: 24, batchSize: 4 },
  prompts: lesson.map(({ prompt, completion }) => ({ prompt, exact: completion })),
  heldOut: { examples: lesson, maxLoss: 0.05 },
  forgetting: { examples: general, maxLossIncrease: 5 },
};

/** Returns the failed checks of an adapter as "group: name", with their messages. */
async function failuresOf(
  adapter: AdapterFiles,
  { model, tokenizer }: { model: CausalLM; tokenizer: Tokenizer } = nano,
  more: Partial<Suite> = {},
): Promise<Record<string, string>> {
  const { checks, passed } = await runSuite({ ...suite, ...more }, { model, tokenizer, adapter });
  const failed = checks.filter((check) => !check.passed);
  expect(passed).toBe(failed.length === 0);
  return Object.fromEntries(failed.map(({ group, name, message }) => [`${group}: ${name}`, message]));
}

/** Changes the header of the tensors' file, whose length stays. */
function withHeader(files: AdapterFiles, change: (json: string) => string): AdapterFiles {
  const bytes = (files.get(file) as Uint8Array).slice();
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const json = change(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  bytes.set(new TextEncoder().encode(json.padEnd(length)), 8);
  return new Map(files).set(file, bytes);
}

/** Changes the values of the tensors whose names contain `name`. */
function withTensors(files: AdapterFiles, name: string, change: (value: number) => number): AdapterFiles {
  const bytes = (files.get(file) as Uint8Array).slice();
  const view = new DataView(bytes.buffer);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  for (const [key, { data_offsets }] of Object.entries<{ data_offsets?: [number, number] }>(header)) {
    if (!data_offsets || !key.includes(name)) continue;
    for (let at = 8 + length + data_offsets[0]; at < 8 + length + data_offsets[1]; at += 4) {
      view.setFloat32(at, change(view.getFloat32(at, true)), true);
    }
  }
  return new Map(files).set(file, bytes);
}

test("the adapter without a fault passes", async () => {
  expect(await failuresOf(trained)).toEqual({});
});

test.each<[string, (files: AdapterFiles) => AdapterFiles | Promise<AdapterFiles>, string, RegExp]>([
  [
    "an adapter of a base of another shape",
    async () => {
      const model = await buildModel({ ...smallestModel, layers: 3, width: 8 });
      const peft = await getPeftModel(model, new LoraConfig({ r: 4, targetModules: ["q_proj", "v_proj"] }));
      return peft.adapterFiles();
    },
    "adapter: fits the model",
    /q_proj\.lora_A\.weight.*; the adapter was made for another base model/,
  ],
  [
    "a half-trained adapter",
    () => trainAdapter(nano, 4),
    "heldOut: loss",
    /the mean loss of a token \(nats\) is .*, more than 0.05; the adapter may be half trained/,
  ],
  [
    "an adapter that was never trained",
    () => trainAdapter(nano, 0),
    "adapter: has an effect",
    /untrained or is not applied/,
  ],
  [
    "NaN in one row",
    (files) =>
      withValues(
        files,
        Array.from({ length: 128 }, () => Number.NaN),
        128,
      ),
    "adapter: values",
    /lora_A.* has 128 NaN or infinite values of 512: NaN in row 1, column 0/,
  ],
  [
    "an infinite value",
    (files) => withValues(files, [Number.NEGATIVE_INFINITY], 7),
    "adapter: values",
    /-Infinity in row 0, column 7/,
  ],
  [
    "targets of another architecture",
    (files) => withConfig(files, { target_modules: ["c_attn"] }),
    "adapter: fits the model",
    /c_attn/,
  ],
  [
    "targets of another architecture, in the configuration",
    (files) => withConfig(files, { target_modules: ["q_proj", "k_proj"] }),
    "adapter: config: target_modules",
    /k_proj.*expected .*v_proj/,
  ],
  [
    "ranks of single layers that the configuration lacks",
    async () => {
      const files = await trainAdapter(nano, 1, { rankPattern: { "layers.0.self_attn.q_proj": 2 } });
      return withConfig(files, { rank_pattern: {} });
    },
    "adapter: fits the model",
    /layers\.0\.self_attn\.q_proj\.lora_A/,
  ],
  [
    "a tensor under another name",
    (files) =>
      withHeader(files, (json) => json.replace("layers.1.self_attn.q_proj.lora_A", "layers.1.self_attn.q_proj.lora_C")),
    "adapter: fits the model",
    /layers\.1\.self_attn\.q_proj\.lora_A/,
  ],
  [
    "a file that ends too early",
    (files) => new Map(files).set(file, (files.get(file) as Uint8Array).slice(0, -400)),
    "adapter: fits the model",
    /adapter_model\.safetensors/,
  ],
  [
    "alpha that was raised after the training",
    (files) => withConfig(files, { lora_alpha: 12 }),
    "adapter: config: lora_alpha",
    /lora_alpha is 12, expected 8; the adapter was trained with other settings/,
  ],
  [
    "rsLoRA that was switched on after the training",
    (files) => withConfig(files, { use_rslora: true }),
    "heldOut: loss",
    /have a wrong scale/,
  ],
  [
    "alpha of single layers that was added after the training",
    (files) => withConfig(files, { alpha_pattern: { v_proj: 1 } }),
    "heldOut: loss",
    /have a wrong scale/,
  ],
  [
    "tensors of two blocks that were exchanged",
    (files) =>
      withHeader(files, (json) => json.replace(/layers\.([01])\./g, (_, block) => `layers.${1 - Number(block)}.`)),
    "heldOut: loss",
    /more than 0.05/,
  ],
  [
    "an update with the opposite sign",
    (files) => withTensors(files, "lora_B", (value) => -value),
    "heldOut: loss",
    /more than 0.05/,
  ],
  [
    "one target that is not applied",
    (files) => withTensors(files, "v_proj.lora_B", () => 0),
    "heldOut: loss",
    /more than 0.05/,
  ],
])("%s is found", async (_, plant, check, message) => {
  const found = await failuresOf(await plant(trained));
  expect(found[check], JSON.stringify(found)).toMatch(message);
});

test("an adapter of another base with the same shapes is found by its loss, and by the base's name", async () => {
  const found = await failuresOf(withConfig(trained, { base_model_name_or_path: "org/nano" }), other, {
    adapter: { base: "other-nano" },
  });
  expect(found["heldOut: loss"]).toMatch(/more than 0.05; the adapter may be half trained/);
  expect(found["adapter: base model"]).toMatch(/"org\/nano", expected "other-nano"; the adapter was made for another/);
  const own = await trainAdapter(other, 60);
  expect(await failuresOf(own, other)).toEqual({});
});
