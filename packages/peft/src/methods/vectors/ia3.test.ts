import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { IA3Config, type IA3Options } from "./ia3Config.ts";

beforeAll(() => init(reference()));

/** Returns the resolved configuration of an adapter on a tiny model of type GPT-NeoX. */
async function resolved(options: IA3Options): Promise<IA3Config> {
  const model = new TinyModel();
  Object.assign(model.config, { modelType: "gpt_neox" });
  return (await getPeftModel(model, new IA3Config(options), { onWarning: () => {} })).peftConfig.get(
    "default",
  ) as IA3Config;
}

test("feed-forward modules follow from the architecture, said so that the file can be read again", async () => {
  await expect(resolved({})).rejects.toThrow("query_key_value");
  const { feedforwardModules } = await resolved({ targetModules: ["up", "down"] });
  expect(feedforwardModules).toBe(".*(dense_4h_to_h)");
  expect((await resolved({ targetModules: ["up"], feedforwardModules: [] })).feedforwardModules).toEqual([]);
  for (const targetModules of [["up", "dense_4h_to_h"], ".*up"]) {
    expect((await resolved({ targetModules })).feedforwardModules).toEqual(["dense_4h_to_h"]);
  }
});

test("a model without a default must be told", async () => {
  await expect(getPeftModel(new TinyModel(), new IA3Config({ targetModules: ["up"] }))).rejects.toThrow(
    "feedforwardModules is not set",
  );
});

test("feed-forward modules must be targets", () => {
  expect(() => new IA3Config({ targetModules: ["up"], feedforwardModules: ["down"] })).toThrow(
    'IA3Config: feedforwardModules is ["down"]; it must be a part of targetModules, which lack down',
  );
});
