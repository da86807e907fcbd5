import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel } from "../../testing/tinyModel.ts";
import { LoraConfig } from "../lora/loraConfig.ts";
import { HiraConfig } from "./hiraConfig.ts";

beforeAll(() => init(reference()));

const keyOf = (path: string) => `base_model.model.${path}.hira_A`;
const pattern = { r: 2, rankPattern: { "0.up": 3 }, targetModules: ["up", "down"] };

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

test("rankPattern sets ranks, with a warning that PEFT's first adapter ignores it", async () => {
  const codes: string[] = [];
  const peft = await getPeftModel(new TinyModel(), new HiraConfig(pattern), {
    onWarning: ({ code }) => codes.push(code),
  });
  const ranks = Object.fromEntries([...peft.adapterTensors()].map(([key, { shape }]) => [key, shape[0]]));
  expect(ranks).toMatchObject({ [keyOf("layers.0.up")]: 3, [keyOf("layers.1.up")]: 2, [keyOf("layers.0.down")]: 2 });
  expect(codes).toEqual(["differs-in-peft"]);
});

test("a file has the ranks of its tensors: PEFT's first adapter has the rank r everywhere", async () => {
  const onWarning = ({ message }: Warning) => expect.unreachable(message);
  const { rankPattern, ...plain } = pattern;
  const first = await getPeftModel(new TinyModel(), new HiraConfig({ ...plain, initWeights: false }));
  const files = new Map(await first.adapterFiles());
  const config = JSON.parse(files.get("adapter_config.json") as string);
  files.set("adapter_config.json", JSON.stringify({ ...config, rank_pattern: rankPattern }));
  const loaded = await PeftModel.fromPretrained(new TinyModel(), files, { onWarning });
  expect(loaded.adapterTensors().get(keyOf("layers.0.up"))?.shape).toEqual([2, 6]);
  expect(await logitBits(loaded)).toEqual(await logitBits(first));
  expect((await loaded.adapterFiles()).get("adapter_model.safetensors")).toEqual(
    files.get("adapter_model.safetensors"),
  );

  // As a second adapter in PEFT, and as it is saved here, the file has the pattern's ranks.
  const second = await getPeftModel(new TinyModel(), new HiraConfig({ ...pattern, initWeights: false }), {
    onWarning: () => {},
  });
  const again = await PeftModel.fromPretrained(new TinyModel(), await second.adapterFiles(), { onWarning });
  expect(await logitBits(again)).toEqual(await logitBits(second));

  // Any other rank belongs to another configuration.
  files.set("adapter_config.json", JSON.stringify({ ...config, rank_pattern: { up: 4 }, r: 3 }));
  await expect(PeftModel.fromPretrained(new TinyModel(), files)).rejects.toThrow("hira_A");
});
