import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { GraloraConfig } from "../lowRank/graloraConfig.ts";
import { HiraConfig } from "../lowRank/hiraConfig.ts";
import { MissConfig } from "../lowRank/missConfig.ts";

beforeAll(() => init(reference()));

// `up` is [10, 6].
test.each([
  [new MissConfig({ r: 7, targetModules: ["up"] }), "layers.0.up is [10,6]: r 7 must be at most its 6 inputs"],
  [
    new MissConfig({ r: 3, initWeights: "bat", targetModules: ["up"] }),
    'r 3 must divide both sizes if initWeights is "bat"',
  ],
  [
    new MissConfig({ r: 2, initWeights: "mini", miniR: 3, targetModules: ["up"] }),
    "miniR 3 must divide its 10 outputs; choose another",
  ],
  [
    new GraloraConfig({ r: 6, graloraK: 3, targetModules: ["up"] }),
    "layers.0.up is [10,6]: graloraK 3 must divide both sizes; choose another value, or leave the layer out",
  ],
])("a layer whose sizes do not go with an option is named, with the fix", async (config, message) => {
  await expect(getPeftModel(new TinyModel(), config)).rejects.toThrow(message);
});

test.each([
  [() => new GraloraConfig({ r: 5 }), "GraloraConfig: r is 5; it must be a multiple of graloraK (2)"],
  [() => new GraloraConfig({ excludeModules: ["up"] }), 'excludeModules is ["up"]; it must be left out'],
  [() => new HiraConfig({ rankPattern: { up: 0 } }), 'rankPattern["up"] is 0; it must be an integer of at least 1'],
  [
    () => new MissConfig({ initWeights: "cat" as "bat" }),
    'initWeights is "cat"; it must be true, false, "bat" or "mini"',
  ],
])("options that PEFT does not honour, or does not have, are refused", (make, message) => {
  expect(make).toThrow(message);
});

test("a bias option may be any word that ends in _only, as in PEFT", () => {
  expect(new MissConfig({ bias: "MiSS_only" }).bias).toBe("MiSS_only");
  expect(() => new MissConfig({ bias: "some" as "all" })).toThrow(
    'MissConfig: bias is "some"; it must be "none", "all" or "miss_only"',
  );
});
