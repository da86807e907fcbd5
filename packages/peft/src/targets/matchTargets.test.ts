import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/loraConfig.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import { attentionTargets } from "./attentionTargets.ts";
import { matchTargets, resolveTargets } from "./matchTargets.ts";
import { targetWarnings } from "./targetWarnings.ts";

const kinds = ["linear", "conv1d", "embedding"] as const;

beforeAll(() => init(reference()));

function match(options: LoraOptions) {
  const model = new TinyModel();
  const config = resolveTargets(model, new LoraConfig(options), { kinds, defaultTargets: attentionTargets });
  const { report } = matchTargets(model, config, kinds);
  return { ...report, warnings: targetWarnings(model, report, kinds) };
}

const layers = ["layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down"];

test.each<[string, LoraOptions, string[]]>([
  ["names at the end of a path", { targetModules: ["up"] }, ["layers.0.up", "layers.1.up"]],
  ["names of several parts", { targetModules: ["1.up", "layers.0.down"] }, ["layers.0.down", "layers.1.up"]],
  ["an expression over the whole path", { targetModules: String.raw`layers\.\d\.(up|down)` }, layers],
  ["all-linear, but for the output layer", { targetModules: "all-linear" }, layers],
  [
    "exclusion by name",
    { targetModules: "all-linear", excludeModules: ["1.up"] },
    layers.filter((l) => l !== "layers.1.up"),
  ],
  [
    "exclusion by expression",
    { targetModules: "all-linear", excludeModules: ".*up" },
    ["layers.0.down", "layers.1.down"],
  ],
  [
    "what is saved whole is no target",
    { targetModules: ["up", "lm_head"], modulesToSave: ["lm_head"] },
    ["layers.0.up", "layers.1.up"],
  ],
  ["layers by number", { targetModules: ["up"], layersToTransform: 1, layersPattern: "layers" }, ["layers.1.up"]],
  ["an empty list of layers is all", { targetModules: ["up"], layersToTransform: [] }, ["layers.0.up", "layers.1.up"]],
])("%s", (_, options, expected) => {
  expect(match(options).matched).toEqual(expected);
});

test("a full path is a target whatever the layers", () => {
  const options = { targetModules: ["layers.0.up", "down"], layersToTransform: [1], layersPattern: "layers" };
  expect(match(options).matched).toEqual(["layers.0.up", "layers.1.down"]);
});

test("names that match nothing are told, with what they may have meant", () => {
  const { unmatchedTargets, warnings } = match({ targetModules: ["up", "dwn"] });
  expect(unmatchedTargets).toEqual(["dwn"]);
  const message = "targetModules: nothing is named dwn; did you mean down for dwn? the others are adapted";
  expect(warnings).toEqual([{ code: "unmatched-target", message }]);
});

test("what is excluded or chosen by number and is not there is told", () => {
  const options = { targetModules: ["up"], excludeModules: ["down", "gate"] };
  const { matched, unusedPatterns, warnings } = match({
    ...options,
    layersToTransform: [1, 7],
    layersPattern: "layers",
  });
  expect(matched).toEqual(["layers.1.up"]);
  expect(unusedPatterns).toEqual(['excludeModules "gate"', "layersToTransform 7"]);
  const message = 'these match no target: excludeModules "gate", layersToTransform 7';
  expect(warnings).toEqual([{ code: "unused-pattern", message }]);
  expect(match({ targetModules: ["up"], excludeModules: ".*gate" }).unusedPatterns).toEqual([
    'excludeModules ".*gate"',
  ]);
  expect(() => match({ targetModules: ["up"], layersToTransform: 7 })).toThrow(
    'targetModules ["up"] matches no module of this model in the layers of layersToTransform, 7; layers',
  );
});

test("nothing matched is an error that lists what there is", () => {
  expect(() => match({ targetModules: ["q_proj", "upp"] })).toThrow(
    'targetModules ["q_proj","upp"] matches no module of this model; did you mean up for upp? layers that can be targeted: embed_tokens, up, down, lm_head',
  );
});

test("a module that cannot be adapted is an error that names it", () => {
  expect(() => match({ targetModules: ["norm"] })).toThrow("targetModules matches layers.0.norm, a LayerNorm");
});

test("without targets an unknown architecture is an error", () => {
  expect(() => match({})).toThrow("there is no default for a tiny model; name some of up, down, lm_head");
});

test("a model that the method's own table does not know is asked for its own targets, by kind of layer", () => {
  const model = new TinyModel();
  const method = { kinds, defaultTargets: attentionTargets };
  expect(() => resolveTargets(model, new LoraConfig(), method)).toThrow("there is no default for a tiny model");
  Object.assign(model, { defaultTargets: { linear: ["up"], norm: ["norm"] } });
  expect(resolveTargets(model, new LoraConfig(), method).targetModules).toEqual(["up"]);
  expect(
    resolveTargets(model, new LoraConfig(), { kinds: ["norm", "linear"], defaultTargets: {} }).targetModules,
  ).toEqual(["norm"]);
  const own = { kinds, defaultTargets: { tiny: ["down"] } };
  expect(resolveTargets(model, new LoraConfig(), own).targetModules).toEqual(["down"]);
});
