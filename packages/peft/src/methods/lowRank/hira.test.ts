import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { LoraConfig } from "../lora/loraConfig.ts";
import { HiraConfig } from "./hiraConfig.ts";

beforeAll(() => init(reference()));

async function filed(config: HiraConfig | LoraConfig): Promise<boolean> {
  const files = await (await getPeftModel(new TinyModel(), config)).adapterFiles();
  return JSON.parse(files.get("adapter_config.json") as string).fan_in_fan_out;
}

test("files say fan_in_fan_out as it was given, as PEFT's do; LoRA's say how the weights lie", async () => {
  for (const targetModules of [["up"], ["down"]]) {
    for (const fanInFanOut of [false, true]) {
      expect(await filed(new HiraConfig({ r: 2, targetModules, fanInFanOut }))).toBe(fanInFanOut);
      expect(await filed(new LoraConfig({ r: 2, targetModules, fanInFanOut }))).toBe(targetModules[0] === "down");
    }
  }
});
