import { init, keep, ones, quantize4bit, reference, tensor, zeros } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import * as nn from "./index.ts";

beforeAll(() => init(reference()));

describe("the text of a module", () => {
  it("has one line without children, with tensors and plain settings", () => {
    class Plain extends nn.Module {
      readonly name = "one";
      readonly size = 3;
      readonly isLast = false;
      readonly list = [1, 2];
      readonly scale = new nn.Parameter(ones([2]));
    }
    expect(String(new Plain())).toBe('Plain(name: "one", size: 3, isLast: false, scale: f32 [2])');
    expect(String(new Plain().eval())).toBe(String(new Plain()));
    expect(String(new nn.Flatten())).toBe("Flatten(startDim: 1, endDim: -1)");
    expect(String(new nn.ReLU())).toBe("ReLU()");
  });

  it("joins neighbours of a list that are alike, and no named ones", () => {
    const [a, b] = [() => new nn.ReLU(), () => new nn.Tanh()];
    const lines = (module: nn.Module) => String(module).split("\n").slice(1, -1);
    expect(lines(new nn.Sequential(a(), a(), a(), b(), a()))).toEqual([
      ...["  (0-2): 3 x ReLU()", "  (3): Tanh()", "  (4): ReLU()"],
    ]);
    expect(lines(new nn.Sequential(b(), a(), a()))).toEqual(["  (0): Tanh()", "  (1-2): 2 x ReLU()"]);
    expect(lines(new nn.ModuleDict({ x: a(), y: a() }))).toEqual(["  (x): ReLU()", "  (y): ReLU()"]);
    expect(lines(new nn.ModuleDict({ x1: a(), "2x": a() }))).toEqual(["  (x1): ReLU()", "  (2x): ReLU()"]);
    expect(String(new nn.Sequential(new nn.Sequential(a(), b()), new nn.Sequential(a(), b())))).toBe(
      "Sequential(\n  (0-1): 2 x Sequential(\n    (0): ReLU()\n    (1): Tanh()\n  )\n)",
    );
  });
});

describe("a state dict", () => {
  const linear = () => new nn.Linear(new nn.Parameter(zeros([2, 64])));

  it("is not loaded into a packed weight, or from one", () => {
    const packed = nn.quantizeLinear(linear());
    expect(() => packed.loadStateDict({ weight: ones([2, 64]) })).toThrow(
      '"weight" is f32, and the module holds it packed as nf4; load it before quantize',
    );
    const weight = quantize4bit(ones([2, 64]), {});
    expect(() => packed.loadStateDict({ weight })).toThrow(
      '"weight" is nf4, and the module holds it packed as nf4; load it before quantize. Nothing was changed',
    );
    expect(packed.loadStateDict(packed.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(() => linear().loadStateDict({ weight })).toThrow('"weight" is nf4, and the module has f32; cast it with');
  });

  it("may be a map or an object, and the module's own", () => {
    const layer = linear();
    expect(layer.loadStateDict(layer.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    layer.loadStateDict(new Map([["weight", ones([2, 64], { dtype: "f16" })]]));
    expect([...layer.weight.dataSync()].every((x) => x === 1)).toBe(true);
    layer.loadStateDict({ weight: zeros([2, 64], { dtype: "bf16" }) });
    expect([...layer.weight.dataSync()].every((x) => x === 0)).toBe(true);
  });

  it("has the dtypes of the module, but for halves that f32 takes", () => {
    for (const dtype of ["i32", "u8", "bool"] as const) {
      const weight = ones([2, 64], { dtype });
      expect(() => linear().loadStateDict({ weight })).toThrow(`"weight" is ${dtype}, and the module has f32; cast it`);
    }
    const half = new nn.Linear(new nn.Parameter(zeros([2, 64], { dtype: "bf16" })));
    for (const dtype of ["f16", "f32"] as const) {
      expect(() => half.loadStateDict({ weight: ones([2, 64], { dtype }) })).toThrow(`is ${dtype}, and the module has`);
    }
    half.loadStateDict({ weight: ones([2, 64], { dtype: "bf16" }) });
    expect([...half.weight.dataSync()].every((x) => x === 1)).toBe(true);
  });

  it("is strict by default", () => {
    const more = { weight: ones([2, 64]), other: ones([1]) };
    for (const options of [undefined, {}, { strict: true }]) {
      expect(() => linear().loadStateDict(more, options)).toThrow("unexpected keys: other");
      expect(() => linear().loadStateDict({}, options)).toThrow("missing keys: weight");
    }
    expect(linear().loadStateDict(more, { strict: false })).toEqual({ missingKeys: [], unexpectedKeys: ["other"] });
    expect(linear().loadStateDict({}, { strict: false })).toEqual({ missingKeys: ["weight"], unexpectedKeys: [] });
  });
});

describe("quantize", () => {
  class Pair extends nn.Module {
    up: nn.Module = new nn.Linear(64, 64);
    down: nn.Module = new nn.Linear(64, 64);
  }
  const dtypesOf = (model: nn.Module) =>
    Array.from(model.namedParameters(), ([name, { dtype }]) => `${name} ${dtype}`).filter((text) =>
      /weight/.test(text),
    );

  it("leaves the output layer by default, which is the last one or has the name lm_head", async () => {
    const model = new Pair();
    const report = await nn.quantize(model);
    expect(dtypesOf(model)).toEqual(["up.weight nf4", "down.weight f32"]);
    expect(report.skipped).toEqual([{ path: "down", reason: "it is the output layer" }]);
    const named = new (class extends nn.Module {
      lm_head = new nn.Linear(64, 64);
      lm_header = new nn.Linear(64, 64);
      norm = new nn.RMSNorm(64);
    })();
    await nn.quantize(named);
    expect(dtypesOf(named)).toEqual(["lm_head.weight f32", "lm_header.weight nf4", "norm.weight f32"]);
  });

  it("leaves what it is given reasons for", async () => {
    const model = new Pair();
    const { skipped } = await nn.quantize(model, { skipModules: [] }, (path) => (path === "up" ? "it is up" : null));
    expect(skipped).toEqual([{ path: "up", reason: "it is up" }]);
    expect(dtypesOf(model)).toEqual(["up.weight f32", "down.weight nf4"]);
  });

  it("leaves all layers of a shared weight", async () => {
    const model = new (class extends nn.Module {
      first = new nn.Linear(64, 64);
      second = new nn.Linear(this.first.weight);
      third = new nn.Linear(64, 64);
      norm = new nn.RMSNorm(64);
    })();
    const { skipped } = await nn.quantize(model);
    expect(skipped).toEqual([
      { path: "first", reason: "it shares its weight with second" },
      { path: "second", reason: "it shares its weight with first" },
    ]);
    expect(dtypesOf(model)[1]).toBe("third.weight nf4");
  });

  it("leaves a layer that is the whole model", async () => {
    const { quantized, skipped } = await nn.quantize(new nn.Linear(64, 64));
    expect([quantized, skipped]).toEqual([[], [{ path: "", reason: "it is the output layer" }]]);
  });

  it("refuses weights with a gradient, and takes those that could have one or had one", async () => {
    const model = new Pair();
    const { weight } = model.up as nn.Linear;
    weight.grad = keep(zeros([64, 64]));
    await expect(nn.quantize(model)).rejects.toThrow("quantize: up is being trained (its weight has a gradient)");
    weight.requiresGrad = false;
    await nn.quantize(model);
    expect(dtypesOf(model)[0]).toBe("up.weight nf4");
  });

  it("counts bytes before and after", async () => {
    const model = new Pair();
    const seen: unknown[] = [];
    const onProgress = (progress: unknown) => seen.push(progress);
    const { quantized, bytesBefore, bytesAfter } = await nn.quantize(model, { skipModules: [], onProgress });
    const after = 64 + 64 * 32 + 4 * 64;
    expect(quantized).toEqual(
      ["up", "down"].map((path) => ({ path, shape: [64, 64], bytesBefore: 4 * 64 * 64, bytesAfter: after })),
    );
    expect([bytesBefore, bytesAfter]).toEqual([2 * 4 * 64 * 64, 2 * after]);
    expect(seen).toEqual([
      { loaded: 16384, total: 32768, name: "up" },
      { loaded: 32768, total: 32768, name: "down" },
    ]);
    await nn.dequantize(model, { dtype: "bf16" });
    expect(dtypesOf(model)).toEqual(["up.weight bf16", "down.weight bf16"]);
  });
});

it("modules in plain fields are looked for two levels deep, in lists, maps, sets and objects", async () => {
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => void warnings.push(text);
  try {
    class Hiding extends nn.Module {
      readonly inList = [new nn.ReLU()];
      readonly inMap = new Map([["a", new nn.ReLU()]]);
      readonly inSet = new Set([new nn.Parameter(ones([1]))]);
      readonly inObject = { a: { b: new nn.ReLU() } };
      readonly tooDeep = { a: { b: { c: new nn.ReLU() } } };
      readonly plain = { a: [1, null, "x"], b: tensor([1]) };
      readonly other = Object.assign(new (class Other {})(), { a: new nn.ReLU() });
      readonly known = new nn.ReLU();
      readonly again = [this.known];
    }
    const model = new Hiding();
    for (let i = 0; i < 2; i++) [...model.namedParameters()];
    await new Promise((resolve) => setTimeout(resolve, 0));
    await import("./module/hiddenWarning.ts");
    await new Promise((resolve) => setTimeout(resolve, 0));
  } finally {
    console.warn = warn;
  }
  expect(warnings.map((text) => text.split(" in a plain ").map((part) => part.split(",")[0]))).toEqual([
    ["nn: Hiding.inList holds modules", "array"],
    ["nn: Hiding.inMap holds modules", "object"],
    ["nn: Hiding.inSet holds parameters", "object"],
    ["nn: Hiding.inObject holds modules", "object"],
  ]);
});
