import { init, manualSeed, ones, randn, reference, type Tensor, tensor, zeros } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { Linear, Module, ModuleBuffer, Parameter, Sequential } from "./index.ts";

class Net extends Module {
  first = Linear.create(3, 3);
  second = Linear.create(3, 2, { bias: false });
  tied = new Linear(this.first.weight);
  steps = new ModuleBuffer(zeros([1]));

  forward(x: Tensor): Tensor {
    return this.second.forward(this.tied.forward(this.first.forward(x)));
  }
}

beforeAll(() => init(reference()));

it("lists parameters and buffers, a tied one under each name", () => {
  const net = new Net();
  const state = net.stateDict();
  expect([...state.keys()]).toEqual(["steps", "first.weight", "first.bias", "second.weight", "tied.weight"]);
  expect(state.get("tied.weight")).toBe(net.first.weight);
  expect([...net.namedBuffers()]).toEqual([["steps", net.steps]]);
  expect([...net.namedParameters()].map(([name]) => name)).not.toContain("steps");
});

it("takes another module's state in place: the same answers, the same tensors", () => {
  manualSeed(1);
  const [net, other] = [new Net(), new Net()];
  const x = randn([4, 3]);
  const { weight } = net.first;
  expect(net.forward(x).dataSync()).not.toEqual(other.forward(x).dataSync());
  expect(net.loadStateDict(other.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
  expect(net.first.weight).toBe(weight);
  expect(weight.requiresGrad).toBe(true);
  expect(net.forward(x).dataSync()).toEqual(other.forward(x).dataSync());
});

it("names all that does not fit in one error, and changes nothing", () => {
  const net = new Net();
  const before = net.first.weight.dataSync();
  const state = {
    "tied.weight": ones([3, 3]),
    "first.bias": ones([4]),
    "second.weight": ones([2, 3], { dtype: "i32" }),
    extra: ones([1]),
  };
  expect(() => net.loadStateDict(state)).toThrow(
    'loadStateDict: missing keys: steps; "first.bias" is [4], and the module has [3]; ' +
      '"second.weight" is i32, and the module has f32; cast it with to("f32"); unexpected keys: extra. Nothing was changed',
  );
  expect(() => net.loadStateDict(state, { strict: false })).toThrow('"first.bias" is [4]');
  expect(net.first.weight.dataSync()).toEqual(before);
});

it("returns the keys that differ where it is not strict, and needs one name of a tied tensor", () => {
  const net = new Net();
  const report = net.loadStateDict({ "tied.weight": ones([3, 3]), extra: ones([1]) }, { strict: false });
  expect(report).toEqual({ missingKeys: ["steps", "first.bias", "second.weight"], unexpectedKeys: ["extra"] });
  expect(net.first.weight.dataSync()).toEqual(new Float32Array(9).fill(1));
});

it("widens half precision for f32, and rounds nothing silently", () => {
  const net = new Sequential(Linear.create(2, 1, { bias: false }));
  net.loadStateDict({ "0.weight": tensor([[0.5, 3]], { dtype: "bf16" }) });
  expect([...net.stateDict().get("0.weight")!.dataSync()]).toEqual([0.5, 3]);
  const half = new Linear(new Parameter(ones([1, 2], { dtype: "f16" })));
  expect(() => half.loadStateDict({ weight: ones([1, 2]) })).toThrow('"weight" is f32, and the module has f16');
});

it("refuses tensors of another backend", () => {
  const net = new Linear(new Parameter(ones([1, 2])));
  const elsewhere = { ...reference(), name: "elsewhere" };
  expect(() => net.loadStateDict({ weight: ones([1, 2], { backend: elsewhere }) })).toThrow(
    '"weight" lies on elsewhere, and the module on reference; copy it with toBackend',
  );
});

it("runs modules one after the other, named by their place", () => {
  const net = new Sequential(Linear.create(3, 4), Linear.create(4, 2));
  const [first, second] = [net.at(0) as Linear, net.at(1) as Linear];
  const x = randn([5, 3]);
  expect(net.forward(x).dataSync()).toEqual(second.forward(first.forward(x)).dataSync());
  expect([...net.stateDict().keys()]).toEqual(["0.weight", "0.bias", "1.weight", "1.bias"]);
});
