import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { getPeftModel } from "@lowrank/peft";
import { adapterStore, createEngine, folderPlace } from "@lowrank/serve";
import { defaultBudgets, type KeyBudgets } from "@lowrank/serve/http";
import type { FineTuneJob } from "@lowrank/serve/jobs";
import { wasm } from "@lowrank/wasm";
import { expect, test } from "vitest";
import { trainedConfig } from "../cli/options/trainedConfig.ts";
import { methodNames } from "../report/methods.ts";
import { checkOrder, type ServedLimits } from "./checkOrder.ts";
import { file, orderOf, usual } from "./testing/orders.ts";

test.each<[string, FineTuneJob["options"], string, Partial<ServedLimits>?, Partial<KeyBudgets>?]>([
  ["steps", { steps: 1e12 }, "steps_exceeded: steps: the order asks for 1000000000000, and one"],
  ["epochs", { epochs: 1e12 }, "steps_exceeded: steps: 1000000000000 epochs of 100 examples are"],
  ["steps beyond the key's", { steps: 11 }, "one fine-tune of this key may have 10", {}, { steps: 10 }],
  [
    "a rank",
    { r: 100_000 },
    "rank_exceeded: r: the rank is 100000, and the limit of this key is 256; give a lower rank",
  ],
  ["a rank of another name", { method: "adalora", "init-r": 5000 }, "rank_exceeded"],
  ["a rank beyond the server's", { r: 64 }, "LoRA rank 64 is greater than max_lora_rank 16", { maxLoraRank: 16 }],
  ["a rank that a start doubles", { r: 9, "init-lora-weights": "pissa" }, "LoRA rank 18", { maxLoraRank: 16 }],
  ["an adapter's bytes", { r: 8 }, "adapter_too_large: the adapter would take", { adapterMemory: 5000 }],
  ["an adapter's bytes of the key", { r: 8 }, "adapter_too_large", {}, { adapterMemory: 5000 }],
  ["sizes of a method", { method: "vblora", "num-vectors": 1e9, "vector-length": 16 }, "adapter_too_large"],
  ["modules that train whole", { "modules-to-save": "lm_head" }, "modules_to_save is lm_head"],
  ["prompts inside of layers", { method: "adaption-prompt" }, "the server would not serve the adapter"],
  ["targets that are not there", { "target-modules": "query_key_value" }, "query_key_value"],
  ["a method without adapters", { method: "full" }, "trains no adapter"],
  ["a method of prompts", { method: "prompt" }, "puts virtual tokens before all rows"],
  ["a batch", { "batch-size": 1e6 }, "batch-size is 1000000, but jobs allow at most 256; give less"],
  ["passes of a step", { accumulate: 1e6 }, "accumulate is 1000000"],
  ["checkpoints", { "save-total-limit": 1000 }, "save-total-limit is 1000"],
])("an order is refused for %s", async (_, options, message, served = {}, budgets = {}) => {
  const order = { job: orderOf(options), budgets: { ...defaultBudgets, ...budgets }, file };
  const refused = await checkOrder(order, { ...usual, ...served }).catch((error) => error.detail);
  expect(`${refused?.code}: ${refused?.message}`).toContain(message);
});

test.each<[string, FineTuneJob["options"]]>([
  ["usual options", {}],
  ["a pattern", { "target-modules": ".*q_proj" }],
  ["DoRA", { method: "dora", r: 4 }],
  ["a start that reads weights", { r: 8, "init-lora-weights": "pissa" }],
  ["IA3", { method: "ia3" }],
])("an order of %s is taken", async (_, options) => {
  await checkOrder(
    { job: orderOf(options, { n_epochs: 2 }), budgets: defaultBudgets, file },
    { ...usual, maxLoraRank: 16 },
  );
});

test("an order may have as many steps, bytes and rank as its limits", async () => {
  const check = (options: FineTuneJob["options"], budgets: Partial<KeyBudgets>, lines = 100) => {
    const order = { job: orderOf(options), budgets: { ...defaultBudgets, ...budgets }, file: { ...file, lines } };
    return checkOrder(order, usual).then(
      () => "",
      (error) => error.detail.message as string,
    );
  };
  expect(await check({ steps: 10 }, { steps: 10 })).toBe("");
  for (const lines of [0, 1]) expect(await check({ epochs: 10, "batch-size": 1 }, { steps: 10 }, lines)).toBe("");
  expect(await check({ epochs: 10, "batch-size": 1 }, { steps: 10 }, 2)).toContain("10 epochs of 2 examples are 20");
  expect(await check({ r: 4 }, { rank: 4 })).toBe("");
  const bytes = Number(/would take (\d+) bytes/.exec(await check({ r: 4 }, { adapterMemory: 1 }))?.[1]);
  expect(await check({ r: 4 }, { adapterMemory: bytes })).toBe("");
  expect(await check({ r: 4 }, { adapterMemory: bytes - 1 })).toContain(`the server has ${bytes - 1} for it`);
});

test("an order of any method is accepted if and only if the server loads its adapter", async () => {
  await init(wasm({ batchInvariant: true }));
  const folder = await mkdtemp(join(tmpdir(), "lowrank-orders-"));
  const { model, tokenizer } = await loadModel(nanoModelFolder);
  if (!tokenizer) throw new Error("the model has no tokenizer");
  const place = folderPlace(folder);
  const engine = await createEngine({
    ...{ model, tokenizer, servedModelName: "nano" },
    adapters: adapterStore({ place, maxAdapterBytes: 256e6, onWarning: () => undefined }),
  });
  const found: Record<string, boolean> = {};
  const wanted: Record<string, boolean> = {};
  for (const method of methodNames().filter((name) => name !== "full" && !name.startsWith("q"))) {
    // The length of VB-LoRA's vectors must divide the sizes of layers, which are small in nano.
    const more: FineTuneJob["options"] = method === "vblora" ? { "vector-length": 16 } : {};
    found[method] = await checkOrder({ job: orderOf({ method, ...more }), budgets: defaultBudgets, file }, usual).then(
      () => true,
      () => false,
    );
    const config = (await trainedConfig({ method, ...(more["vector-length"] && { vectorLength: 16 }) }))(10);
    if (!config) throw new Error(`${method} has no adapter`);
    const make = async () => {
      const fresh = await loadModel(nanoModelFolder);
      await (await getPeftModel(fresh.model, config)).savePretrained(join(folder, method));
      await engine.loadAdapter(`a-${method}`, method);
    };
    wanted[method] = await make().then(
      () => true,
      () => false,
    );
  }
  expect(found).toEqual(wanted);
  expect(Object.values(wanted).filter((is) => is).length).toBeGreaterThan(12);
  await engine.close();
  await rm(folder, { recursive: true });
}, 60_000);
