import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import { attentionTargets } from "./attentionTargets.ts";
import { candidates, matchesPath, matchTargets, resolveTargets } from "./matchTargets.ts";
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
  [
    "layers by numbers",
    { targetModules: ["up"], layersToTransform: [0], layersPattern: ["blocks", "layers"] },
    ["layers.0.up"],
  ],
  ["layer 0 by number", { targetModules: ["up"], layersToTransform: 0, layersPattern: ["layers"] }, ["layers.0.up"]],
  ["all-linear in capitals", { targetModules: "ALL-Linear" }, layers],
  ["a full path beside names", { targetModules: ["layers.1.up", "head", "0.down"] }, ["layers.0.down", "layers.1.up"]],
  [
    "what is inside what is saved whole",
    { targetModules: ["up", "down"], modulesToSave: ["layers.0"] },
    layers.slice(2),
  ],
  [
    "names that only end alike are others",
    { targetModules: ["up"], modulesToSave: ["s.0"] },
    ["layers.0.up", "layers.1.up"],
  ],
  ["an empty list of layers is all", { targetModules: ["up"], layersToTransform: [] }, ["layers.0.up", "layers.1.up"]],
])("%s", (_, options, expected) => {
  expect(match(options).matched).toEqual(expected);
});

test("without a pattern, layers are numbered behind two names", () => {
  for (const layersPattern of [null, "", [""], []]) {
    expect(() => match({ targetModules: ["up"], layersToTransform: [0, 1], layersPattern })).toThrow(
      "matches no module of this model in the layers of layersToTransform, 0, 1; layers that can be targeted",
    );
    const outer = Object.assign(new TinyModel(), { model: new TinyModel() });
    const config = new LoraConfig({ targetModules: ["up"], layersToTransform: [1, 4], layersPattern });
    const { report } = matchTargets(outer, config, kinds);
    expect(report).toEqual({
      ...{ matched: ["model.layers.1.up"], excluded: [], unmatchedTargets: [] },
      unusedPatterns: ["layersToTransform 4"],
    });
  }
});

test("targets that are excluded are reported, and counted where none is left", () => {
  expect(match({ targetModules: ["up", "down"], excludeModules: ["1.up"], modulesToSave: ["layers.0.down"] })).toEqual({
    ...{ matched: ["layers.0.up", "layers.1.down"], excluded: ["layers.0.down", "layers.1.up"] },
    ...{ unmatchedTargets: [], unusedPatterns: [], warnings: [] },
  });
  expect(() => match({ targetModules: ["up"], excludeModules: ["up"] })).toThrow(
    expect.objectContaining({
      message:
        'targetModules ["up"] matches no module of this model (2 were excluded); layers that can be targeted: embed_tokens, up, down, lm_head',
      ...{ option: "targetModules", value: ["up"] },
    }),
  );
  expect(() => match({ targetModules: ["up"], excludeModules: ["1.up"], modulesToSave: ["layers.0.up"] })).toThrow(
    "(2 were excluded)",
  );
  expect(() => match({ targetModules: ["layers.0.up"], excludeModules: ["up"] })).toThrow("(1 were excluded)");
  expect(() => match({ targetModules: ["layers.2.up", "x.dwon"] })).toThrow(
    "of this model; did you mean down for x.dwon? layers that can be targeted",
  );
});

test("kinds that a method adapts are named", () => {
  expect(() => matchTargets(new TinyModel(), new LoraConfig({ targetModules: ["up"] }), ["norm", "conv1d"])).toThrow(
    expect.objectContaining({
      message:
        "targetModules matches layers.0.up, a Linear; LORA adapts norm, conv1d layers only: name those inside it",
    }),
  );
  expect(() => matchTargets(new TinyModel(), new LoraConfig({ targetModules: ["layers"] }), kinds)).toThrow(
    "targetModules matches layers, a ModuleList",
  );
  expect(candidates(new TinyModel())).toEqual(["up", "down", "lm_head"]);
  expect(candidates(new TinyModel(), ["norm"])).toEqual(["norm"]);
  expect(matchesPath(["b.c", "d"], "a.b.c")).toBe(true);
  expect([matchesPath(["c"], "a.b.c"), matchesPath(["a"], "a.b.c"), matchesPath(["a.b.c"], "a.b.c")]).toEqual([
    ...[true, false, true],
  ]);
  expect([matchesPath("b.c", "a.b.c"), matchesPath("a.*c", "a.b.c"), matchesPath("a.b", "a.b.c")]).toEqual([
    ...[false, true, false],
  ]);
  const model = Object.assign(new TinyModel(), { config: undefined });
  const bare = () => resolveTargets(model, new LoraConfig(), { kinds, defaultTargets: {} });
  expect(bare).toThrow("there is no default for a model without config.modelType; name some of up, down, lm_head");
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
