import { init, ones, reference } from "@lowrank/core";
import { afterEach, beforeAll, beforeEach, expect, it, type MockInstance, vi } from "vitest";
import { Linear, Module, ModuleDict, ModuleList, Parameter } from "./index.ts";

beforeAll(() => init(reference()));
let warn: MockInstance<typeof console.warn>;
beforeEach(() => {
  warn = vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterEach(() => warn.mockRestore());

/** Returns the warnings printed when a module's parameters are listed. */
async function warningsOf(module: Module): Promise<string[]> {
  Array.from(module.parameters());
  await import("./module/hiddenWarning.ts");
  await Promise.resolve();
  return warn.mock.calls.map(([message]) => String(message));
}

const linear = () => new Linear(2, 2);

it("an array of modules is named, with ModuleList as the fix, once for a class", async () => {
  class Stack extends Module {
    head = linear();
    layers = [linear(), linear()];
  }
  const message =
    "nn: Stack.layers holds modules in a plain array, so they are neither trained nor saved; use new ModuleList([...]). A private field (#layers) hides them without this warning";
  expect(await warningsOf(new Stack())).toEqual([message]);
  expect(await warningsOf(new Stack())).toEqual([message]);
});

it("maps, sets, objects and nested arrays are named, and parameters in them", async () => {
  class Zoo extends Module {
    byName = new Map([["a", linear()]]);
    set = new Set([linear()]);
    both = { up: linear(), down: linear() };
    pairs = [[linear()], [linear()]];
    scales = [new Parameter(ones([2]))];
  }
  class Outer extends Module {
    zoo = new Zoo();
  }
  const found = (await warningsOf(new Outer())).map((message) =>
    /^nn: (\S+) holds (\w+) in a plain (.*?), so/.exec(message),
  );
  expect(found.map((it) => it?.slice(1))).toEqual([
    ["Zoo.byName", "modules", "object, map or set"],
    ["Zoo.set", "modules", "object, map or set"],
    ["Zoo.both", "modules", "object, map or set"],
    ["Zoo.pairs", "modules", "array"],
    ["Zoo.scales", "parameters", "array"],
  ]);
});

it("containers, private fields, other arrays and registered modules give no warning", async () => {
  class Fine extends Module {
    layers = new ModuleList([linear(), linear()]);
    byName = new ModuleDict({ a: linear() });
    sizes = [1, 2, 3];
    options = { bias: true, nested: { names: ["a"] } };
    first = linear();
    order = [this.first];
    #hidden = [linear()];
    get count(): number {
      return this.#hidden.length;
    }
  }
  expect(await warningsOf(new Fine())).toEqual([]);
});
