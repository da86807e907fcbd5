import { Generator, init, ones, reference, zeros } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import * as nn from "./index.ts";

beforeAll(async () => {
  await init(reference());
});

// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = nn as any;

describe("layers", () => {
  it("new Linear(4, 2) is Linear.create", () => {
    const layer = new nn.Linear(4, 2, { generator: new Generator(1) });
    const created = nn.Linear.create(4, 2, { generator: new Generator(1) });
    expect(layer.weight.dataSync()).toEqual(created.weight.dataSync());
    expect(layer.forward(ones(3, 4)).shape).toEqual([3, 2]);
    expect(new nn.Linear(4, 2, { bias: false }).bias).toBe(null);
  });

  it.each<[string, () => unknown, string]>([
    ["new Linear(4)", () => new loose.Linear(4), "all must be whole numbers above 0, as in new Linear(4, 2)"],
    [
      "new Linear(tensor)",
      () => new loose.Linear(zeros(2, 4)),
      "weight is a tensor that is no Parameter; make the layer as new Linear(inF",
    ],
    [
      "new Linear(4, 2, true)",
      () => new loose.Linear(4, 2, true),
      "Linear: options are an object, { bias, generator }",
    ],
    ["in_features", () => new loose.Linear(4, 2, { use_bias: true }), "Linear: there is no option use_bias; "],
    ["new Parameter([1])", () => new loose.Parameter([1]), "Parameter: it takes a tensor"],
    ["requires_grad", () => new loose.Parameter(ones(1), { requires_grad: false }), "did you mean requiresGrad?"],
  ])("%s", (_call, run, message) => {
    expect(run).toThrow(message);
  });
});

describe("unknown options", () => {
  const model = () => new nn.Linear(32, 32);
  const parameters = () => model().parameters();
  it.each<[string, () => unknown, string]>([
    [
      "AdamW",
      () => new loose.AdamW(parameters(), { weight_decay: 0 }),
      "AdamW: there is no option weight_decay; did you mean weightDecay?",
    ],
    ["AdamW by a number", () => new loose.AdamW(parameters(), 1e-3), "AdamW: options are an object"],
    [
      "SGD's groups",
      () => new loose.SGD([{ params: parameters(), learning_rate: 1 }]),
      "SGD: a group: there is no option learning_rate",
    ],
    ["linear", () => loose.schedules.linear({ warmup_steps: 1, totalSteps: 2 }), "did you mean warmupSteps?"],
    ["KVCache", () => new loose.KVCache({ layer: 1 }), "did you mean layers?"],
    ["loadStateDict", () => model().loadStateDict(new Map(), { stirct: false } as object), "did you mean strict?"],
  ])("%s", (_name, run, message) => {
    expect(run).toThrow(message);
  });
});

it("quantize and dequantize refuse unknown options", async () => {
  const layer = new nn.Linear(32, 32);
  await expect(loose.quantize(layer, { quant_type: "nf4" })).rejects.toThrow("did you mean quantType?");
  await expect(loose.dequantize(layer, { dtpye: "f16" })).rejects.toThrow("did you mean dtype?");
});

describe("modules as text", () => {
  class Block extends nn.Module {
    readonly norm = new nn.RMSNorm(new nn.Parameter(ones(4)), 0.5);
    readonly layers = new nn.ModuleList([new nn.Linear(4, 2), new nn.Linear(4, 2), new nn.Linear(2, 1)]);
    readonly size = 3;
  }

  it("are trees, in which equal neighbours of a list share a line", () => {
    expect(String(new Block())).toBe(
      [
        "Block(",
        "  size: 3",
        "  (norm): RMSNorm(weight: f32 [4], eps: 0.5)",
        "  (layers): ModuleList(",
        '    (0-1): 2 x Linear(weight: f32 [2,4], bias: f32 [2], activations: "f32")',
        '    (2): Linear(weight: f32 [1,2], bias: f32 [1], activations: "f32")',
        "  )",
        ")",
      ].join("\n"),
    );
  });

  it("are what Node's console shows, parameters too", () => {
    const inspect = globalThis.process?.getBuiltinModule?.("node:util")?.inspect ?? String;
    expect(inspect(new nn.Linear(1, 1, { bias: false }))).toBe('Linear(weight: f32 [1,1], activations: "f32")');
    expect(inspect(new nn.Parameter(ones(2)))).toBe("Parameter containing:\ntensor([1, 1], f32 [2], requiresGrad)");
  });
});
