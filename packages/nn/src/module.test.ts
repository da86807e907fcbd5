import { Generator, init, reference, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import { Linear, Module, ModuleDict, ModuleList, Parameter } from "./index.ts";

class Block extends Module {
  proj = Linear.create(2, 3, { generator: new Generator(0), bias: false });
}

class Net extends Module {
  layers = new ModuleList([new Block(), new Block()]);
  scale = new Parameter(tensor([1]), { requiresGrad: false });
  head = new Linear(this.layers.at(0).proj.weight);
  adapters = new ModuleDict<Block>();
}

beforeAll(async () => {
  await init(reference());
});

describe("Module", () => {
  it("names parameters by path, a tied one once", () => {
    const net = new Net();
    const names = ["scale", "layers.0.proj.weight", "layers.1.proj.weight"];
    expect([...net.namedParameters()].map(([name]) => name)).toEqual(names);
    expect([...net.namedParameters({ duplicates: true })].map(([name]) => name)).toEqual([...names, "head.weight"]);
    expect([...net.stateDict().keys()]).toEqual([...names, "head.weight"]);
  });

  it("finds and replaces modules in properties, lists and dicts", () => {
    const net = new Net();
    const other = Linear.create(2, 3, { generator: new Generator(1) });
    net.setSubmodule("layers.1.proj", other);
    expect(net.layers.at(1).proj).toBe(other);
    const block = new Block();
    net.adapters.set("default", new Block());
    net.setSubmodule("adapters.default", block);
    expect(net.getSubmodule("adapters.default")).toBe(block);
    net.setSubmodule("layers.0", block);
    expect(net.layers.at(0)).toBe(block);
    expect(() => net.getSubmodule("layers.7.proj")).toThrow(/"7" is not one of 0, 1/);
    for (const path of ["layers.01", "layers.-1", "layers.length", "scale", "getChild", "adapters.set"]) {
      expect(() => net.getSubmodule(path), path).toThrow(`no module "${path}"`);
    }
  });

  it("lists modules with parents first, each where it stands, and is its own submodule at every path", () => {
    const net = new Net();
    net.adapters.set("b", new Block());
    net.adapters.set("a", net.layers.at(0));
    const modules = [...net.namedModules("net")];
    expect(modules.map(([path]) => path)).toEqual(
      ["", ".layers", ".layers.0", ".layers.0.proj", ".layers.1", ".layers.1.proj", ".head", ".adapters"]
        .concat([".adapters.b", ".adapters.b.proj", ".adapters.a", ".adapters.a.proj"])
        .map((path) => `net${path}`),
    );
    for (const [path, module] of net.namedModules()) expect(net.getSubmodule(path)).toBe(module);
  });

  it("switches training and gradients for all below it", () => {
    const net = new Net().eval();
    expect([...net.namedModules()].some(([, module]) => module.training)).toBe(false);
    net.setRequiresGrad(false);
    expect([...net.parameters()].some((p) => p.requiresGrad)).toBe(false);
  });
});

describe("Linear", () => {
  it("starts within 1 / sqrt(in), and the same for the same seed", () => {
    const make = () => Linear.create(64, 32, { generator: new Generator(9) });
    const weight = make().weight.dataSync();
    expect(Math.max(...weight)).toBeLessThanOrEqual(1 / 8);
    expect(Math.max(...weight)).toBeGreaterThan(0.12);
    expect(make().weight.dataSync()).toEqual(weight);
  });
});
