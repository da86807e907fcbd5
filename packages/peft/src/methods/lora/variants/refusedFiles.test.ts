import { init, reference } from "@lowrank/core";
import { expect, test } from "vitest";
import { getPeftModel } from "../../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../../peftModel/peftModel.ts";
import { TinyModel } from "../../../testing/tinyModel.ts";
import { LoraConfig } from "../loraConfig.ts";

test.each([{ kasaConfig: {} }, { initLoraWeights: "pissa" }])(
  "a refused file of %o leaves the base weights as they were",
  async (options) => {
    await init(reference());
    const config = new LoraConfig({ r: 2, targetModules: ["up"], ...options });
    const saved = await (await getPeftModel(new TinyModel(), config, { onWarning: () => {} })).adapterFiles();
    const model = new TinyModel();
    const before = [...model.parameters()].map((p) => [...p.dataSync()]);
    const bytes = saved.get("adapter_model.safetensors") as Uint8Array;
    const text = new TextDecoder("latin1").decode(bytes);
    const broken = Uint8Array.from(text.replace("layers.0.up", "layers.9.up"), (c) => c.charCodeAt(0));
    await expect(
      PeftModel.fromPretrained(model, new Map([...saved, ["adapter_model.safetensors", broken]]), {
        onWarning: () => {},
      }),
    ).rejects.toThrow();
    expect([...model.parameters()].map((p) => [...p.dataSync()])).toEqual(before);
  },
);
