import { join } from "node:path";
import { sharedPath } from "@lowrank/test-support/folders";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  CartridgeConfig,
  type CausalLM,
  type DistillCartridgeOptions,
  distillCartridge,
  getPeftModel,
  init,
  LoraConfig,
  loadModel,
  PeftModel,
  wasm,
} from "./index.gen.ts";

const text =
  "Once upon a time, there was a little robot named Zim. Zim lived in a blue house with a cat called Moka. Every day " +
  "Zim and Moka went to the park to look for red stones. One day they found a big red stone under a tree.";

beforeAll(() => init(wasm()));

const models = sharedPath("models", "real pretrained models");

describe.skipIf(!models)("with stories260K", () => {
  let options: DistillCartridgeOptions;
  let model: CausalLM;
  beforeEach(async () => {
    const loaded = await loadModel(join(models as string, "stories260K-hf"));
    model = loaded.model;
    options = {
      ...{ text, tokenizer: loaded.tokenizer!, samples: 16, promptTokens: 8, answerTokens: 16 },
      ...{ learningRate: 3e-2, maxSteps: 40, batchSize: 8 },
    };
  });
  const start = () => getPeftModel(model, new CartridgeConfig({ numVirtualTokens: 8 }));

  test("the cartridge learns the answers and the text, and comes back from its files", async () => {
    const peft = await start();
    const { losses, textLoss, steps } = await distillCartridge(peft, options);
    expect(steps).toBe(40);
    expect(losses.at(-1)).toBeLessThan(0.4 * losses[0]);
    expect(textLoss.end).toBeLessThan(textLoss.start - 0.02);
    expect(textLoss.end).toBeLessThan(textLoss.base - 0.02);
    const files = await peft.adapterFiles();
    peft.unload();
    const again = await PeftModel.fromPretrained(model, files, { isTrainable: true });
    const more = await distillCartridge(again, { ...options, maxSteps: 1, samples: 1, initialize: false });
    expect(more.textLoss.start).toBeCloseTo(textLoss.end, 5);
  });

  test("prompts are answered in turn, with a part of the text in the context", async () => {
    const peft = await start();
    const prompts = ["Who is Moka?", "What did they find?"];
    const { losses } = await distillCartridge(peft, {
      ...options,
      prompts,
      contextTokens: 40,
      temperature: 0,
      maxSteps: 8,
    });
    expect(losses.at(-1)).toBeLessThan(losses[0]);
    // `promptTokens` (8) has no effect with prompts.
    const short = { ...options, prompts, contextTokens: 4, samples: 2, maxSteps: 1 };
    expect((await distillCartridge(peft, short)).steps).toBe(1);
  });

  test.each<[Partial<DistillCartridgeOptions>, string]>([
    [{ samples: 0 }, "samples is 0; give an integer of at least 1"],
    [{ temperature: -1 }, "temperature is -1; give a number of at least 0"],
    [{ prompts: [] }, "prompts is []; give at least one prompt"],
    [{ contextTokens: 4000 }, "contextTokens is 4000; the text has"],
    [{ contextTokens: 5 }, "promptTokens is 8; the model reads 5 tokens of the text; give fewer"],
    [{ answerTokens: 600 }, "contextTokens is -"],
  ])("%o is an error with the fix", async (wrong, message) => {
    const peft = await start();
    await expect(distillCartridge(peft, { ...options, ...wrong })).rejects.toThrow(message);
  });

  test("another adapter is refused", async () => {
    const peft = await getPeftModel(model, new LoraConfig({ targetModules: ["q_proj"] }));
    await expect(distillCartridge(peft, options)).rejects.toThrow("is LORA; give a cartridge");
  });
});
