import { Generator, init, keep, ones, reference, tensor, zeros } from "@lowrank/core";
import { deferred } from "@lowrank/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { Linear, Module, ModuleBuffer, ModuleDict, ModuleList, Parameter } from "../index.ts";

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

describe("a module in a tree", () => {
  const tree = () => {
    class Leaf extends Module {
      readonly scale = new Parameter(ones([2]));
      readonly count = new ModuleBuffer(zeros([1]));
    }
    class Inner extends Module {
      b: Module = new Leaf();
      cd: Module = new Leaf();
    }
    class Outer extends Module {
      a: Module = new Inner();
      ef: Module = new Inner();
    }
    return { Leaf, root: new Outer() };
  };

  it("is replaced at paths of any length, and only where one is", () => {
    for (const path of ["a", "ef", "a.b", "ef.b", "ef.cd"]) {
      const { Leaf, root } = tree();
      const other = new Leaf();
      root.setSubmodule(path, other);
      expect(root.getSubmodule(path)).toBe(other);
      expect([...root.namedModules()].filter(([, module]) => module === other).map(([name]) => name)).toEqual([path]);
    }
    const { Leaf, root } = tree();
    expect(() => root.setSubmodule("a.none", new Leaf())).toThrow('no module "a.none": "none" is not one of b, cd');
    expect(() => root.setSubmodule("none", new Leaf())).toThrow('"none" is not one of a, ef');
    expect(() => root.getSubmodule("a.scale")).toThrow('"scale" is not one of b, cd');
    expect(root.getSubmodule("")).toBe(root);
    expect(root.getSubmodule("a").getChild("toString")).toBeUndefined();
  });

  it("trains by default, and all below it with it", () => {
    const { root } = tree();
    const modes = () => [...root.namedModules()].map(([, { training }]) => training);
    expect(modes()).toEqual(Array(7).fill(true));
    expect(root.eval()).toBe(root);
    expect(modes()).toEqual(Array(7).fill(false));
    root.getSubmodule("a").train();
    expect(modes()).toEqual([false, true, true, true, false, false, false]);
    expect([...new Set(root.train(false).train(true) && modes())]).toEqual([true]);
  });

  it("freezes and unfreezes its parameters", () => {
    const { root } = tree();
    const flags = () => [...root.parameters()].map(({ requiresGrad }) => requiresGrad);
    expect(root.getSubmodule("a").setRequiresGrad(false)).toBe(root.getSubmodule("a"));
    expect(flags()).toEqual([false, false, true, true]);
    root.setRequiresGrad(true);
    expect(flags()).toEqual([true, true, true, true]);
  });

  it("lists parameters, tied ones once, and buffers", () => {
    const { root } = tree();
    const leaf = root.getSubmodule("a.b") as unknown as { scale: Parameter };
    Object.assign(root.getSubmodule("ef.cd"), { scale: leaf.scale });
    const names = (options?: { duplicates?: boolean }) => Array.from(root.namedParameters(options), ([name]) => name);
    const all = ["a.b.scale", "a.cd.scale", "ef.b.scale", "ef.cd.scale"];
    expect(names()).toEqual(all.slice(0, 3));
    expect(names({ duplicates: false })).toEqual(all.slice(0, 3));
    expect(names({ duplicates: true })).toEqual(all);
    expect(Array.from(root.namedBuffers(), ([name]) => name)).toEqual(
      all.map((name) => name.replace("scale", "count")),
    );
    expect([...root.stateDict().keys()]).toHaveLength(8);
  });

  it("moves parameters, buffers and gradients to another backend", async () => {
    const { root } = tree();
    const [first] = root.parameters();
    first.grad = keep(tensor([3, 4]));
    const other = deferred();
    expect(await root.to(other)).toBe(root);
    const tensors = [...root.stateDict().values(), first.grad];
    expect(new Set(tensors.map(({ storage }) => storage.backend))).toEqual(new Set([other]));
    expect([...(await first.grad.data())]).toEqual([3, 4]);
    expect(root.backend).toBe(other);
  });

  it("has no backend without parameters", () => {
    class Empty extends Module {}
    expect(() => new Empty().backend).toThrow("this module has no parameters, and therefore no backend");
  });
});
