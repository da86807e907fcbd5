import { init, reference } from "@lowrank/core";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig, PeftModel } from "@lowrank/peft";
import { beforeAll, expect, test } from "vitest";
import { PagePool } from "../cache/pagePool.ts";
import { tinyLlama } from "../testing/tinyModel.ts";
import { ModelAdapters } from "./modelAdapters.ts";
import { Turnstile } from "./turnstile.ts";

beforeAll(() => init(reference()));

async function filesOf(config: PeftConfig, dtype: "f32" | "f16") {
  const peft = await getPeftModel(tinyLlama(), config);
  return peft.adapterFiles(["default"], { dtype });
}

function hostOf(peft: PeftModel): ModelAdapters {
  return new ModelAdapters(peft, new PagePool({ pages: 1, pageSize: 1 }), new Turnstile());
}

const lora = () => new LoraConfig({ r: 4, targetModules: ["q_proj", "down_proj"] });
const ia3 = () => new IA3Config({ targetModules: ["k_proj", "down_proj"], feedforwardModules: ["down_proj"] });

test("factors take the file's half precision, and f32 where the method computes in that", async () => {
  const host = hostOf(new PeftModel(tinyLlama()));
  const half = await host.load("a", await filesOf(lora(), "f16"));
  const full = await host.load("b", await filesOf(lora(), "f32"));
  // 2 layers of q_proj [16, 16] and down_proj [16, 24].
  expect(full).toEqual({ bytes: 4 * 2 * 4 * (16 + 16 + 16 + 24), method: "LORA" });
  expect(half).toEqual({ bytes: full.bytes / 2, method: "LORA" });
  // 2 layers of k_proj's outputs and down_proj's inputs.
  expect(await host.load("c", await filesOf(ia3(), "f16"))).toEqual({ bytes: 4 * 2 * (8 + 24), method: "IA3" });
});

test("a version that left counts again when it comes back", async () => {
  const host = hostOf(new PeftModel(tinyLlama()));
  const files = await filesOf(lora(), "f32");
  const { bytes } = await host.load("a", files);
  await host.unload("a");
  expect((await host.load("a", files)).bytes).toBe(bytes);
});
