import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const quiet = { onWarning: () => {} };

/** A trained adapter, and its files before training. */
async function trained(options: LoraOptions) {
  const peft = await getPeftModel(new TinyModel().eval(), new LoraConfig({ r: 2, loraAlpha: 3, ...options }), quiet);
  const initial = await peft.adapterFiles();
  train(peft);
  return { peft, initial };
}

const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);

test.each<LoraOptions>([
  { initLoraWeights: "pissa", targetModules: ["up", "down"] },
  { initLoraWeights: "olora", targetModules: ["embed_tokens", "up"] },
  { initLoraWeights: "pissa_niter_4", useDora: true, targetModules: ["up", "down"], bias: "lora_only" },
  { initLoraWeights: "olora", useRslora: true, targetModules: "all-linear", modulesToSave: ["norm"] },
  {
    initLoraWeights: "pissa",
    useRslora: true,
    rankPattern: { "layers.1.up": 3 },
    alphaPattern: { down: 5 },
    targetModules: ["up", "down"],
  },
])("%o: as plain LoRA it gives the same answers on the original base", async (options) => {
  const { peft, initial } = await trained(options);
  const files = await peft.adapterFiles(undefined, { pathInitialModelForWeightConversion: initial });
  const json = JSON.parse(files.get("adapter_config.json") as string);
  expect(json).toMatchObject({ init_lora_weights: true, r: 4 });
  const again = await PeftModel.fromPretrained(new TinyModel().eval(), files, quiet);
  const [a, b] = [floats(await logitBits(again)), floats(await logitBits(peft))];
  expect(a).not.toEqual(floats(await logitBits(new TinyModel().eval())));
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i])).toBeLessThan(1e-5 * Math.max(1, ...b.map(Math.abs)));
});

test("what cannot be converted is an error that says why", async () => {
  const { peft, initial } = await trained({ initLoraWeights: "pissa", targetModules: ["up"] });
  const convert = (files: typeof initial, names?: string[]) =>
    peft.adapterFiles(names, { pathInitialModelForWeightConversion: files });
  const other = await trained({ initLoraWeights: "pissa", r: 3, targetModules: ["up"] });
  await expect(convert(other.initial)).rejects.toThrow(/has r 2, and .* has 3; pass the adapter as it was/);
  const elsewhere = await trained({ initLoraWeights: "pissa", targetModules: ["down"] });
  await expect(convert(elsewhere.initial)).rejects.toThrow(/up\.lora_A\.weight is missing/);
  const gaussian = await trained({ initLoraWeights: "gaussian", targetModules: ["up"] });
  await expect(
    gaussian.peft.adapterFiles(undefined, { pathInitialModelForWeightConversion: gaussian.initial }),
  ).rejects.toThrow('"default" was initialised by "gaussian"');
  await peft.addAdapter("second", new LoraConfig({ r: 2, targetModules: ["up"] }));
  await expect(convert(initial)).rejects.toThrow(
    "pathInitialModelForWeightConversion converts a single adapter, but default, second would be saved; name one in selectedAdapters",
  );
  await expect(convert(initial, ["default"])).resolves.toBeDefined();
});
