import { copyInto, init, noGrad, reference, tensor, zeros } from "@lowrank/core";
import { Embedding, Linear, Module, Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { ActiveAdapter, AdapterIndices } from "./activeAdapter.ts";
import { AdapterSlot, checkAdapterName, clear, place } from "./adapterSlot.ts";
import { SavedModule } from "./savedModule.ts";
import { placesOf, Swap } from "./swap.ts";
import { tokenRows } from "./tokenRows.ts";
import { TrainableTokens } from "./trainableTokens.ts";

beforeAll(() => init(reference()));

const parameter = (value = 0) => new Parameter(tensor([value]));
const table = () => new Parameter(tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], { shape: [5, 2] }));

test.each(["a", "A-1_x", "über", "0"])("%s is a name of an adapter", (name) => {
  checkAdapterName(name);
});

test.each(["", "a.b", "a/b", "a\\b", "a b", "a\n", "__base__", "training", "get", "stateDict", "constructor"])(
  "%j is not a name of an adapter",
  (name) => {
    expect(() => checkAdapterName(name)).toThrow(`${JSON.stringify(name)} cannot be an adapter's name`);
  },
);

class Owner extends Module {}

test("the adapter's name comes after the first part of a parameter's name", () => {
  const owner = new Owner();
  for (const key of ["a.weight", "lora_B.weight", "lora_B.bias", "vera_lambda_d"]) place(owner, key, "x", parameter());
  place(owner, "lora_B.weight", "y", parameter());
  const names = () => [...owner.namedParameters()].map(([name]) => name).sort();
  expect(names()).toEqual(["a.x.weight", "lora_B.x.bias", "lora_B.x.weight", "lora_B.y.weight", "vera_lambda_d.x"]);
  clear(owner, "x");
  expect(names()).toEqual(["lora_B.y.weight"]);
});

test("a slot has no value for a name that is not the adapter's", () => {
  const slot = new AdapterSlot();
  expect([slot.get("a"), slot.get("toString")]).toEqual([undefined, undefined]);
  const value = parameter();
  slot.set("a", value);
  expect(slot.get("a")).toBe(value);
  slot.delete("a");
  expect(slot.get("a")).toBe(undefined);
});

test("indices are given in order, and reused after their release", () => {
  const indices = new AdapterIndices();
  expect(["a", "b", "a", "c"].map((name) => indices.of(name))).toEqual([0, 1, 0, 2]);
  indices.release("b");
  indices.release("b");
  indices.release("unknown");
  expect(indices.count).toBe(2);
  expect(["d", "e", "c"].map((name) => indices.of(name))).toEqual([1, 3, 2]);
  expect(indices.count).toBe(4);
});

test.each([
  [[-1], "-1 for e is outside of 0..4"],
  [[5], "5 for e is outside of 0..4"],
  [[0.5], "0.5 for e is outside of 0..4"],
  [[1, 3, 1], "1 for e is given twice"],
])("rows of the tokens %j are refused", (indices, message) => {
  expect(() => tokenRows(table(), indices, "e")).toThrow(new Error(`trainableTokenIndices: ${message}`));
});

test("rows of tokens are copies, with the position of each", () => {
  const { delta, position, flag, tokens } = tokenRows(table(), [4, 0, 2], "e");
  expect([...delta.dataSync()]).toEqual([9, 10, 1, 2, 5, 6]);
  expect([...position.dataSync()]).toEqual([1, 0, 2, 0, 0]);
  expect([...flag.dataSync()]).toEqual([1, 0, 1, 0, 1]);
  expect(tokens).toEqual([4, 0, 2]);
});

test("a module without owners has the rows, and another module saves them", () => {
  const active = new ActiveAdapter();
  const [embedding, head] = [new Embedding(table()), new Linear(table())];
  const [first, second] = [
    new TrainableTokens(embedding, "embedding", active),
    new TrainableTokens(head, "linear", active),
  ];
  const rows = tokenRows(embedding.weight, [1], "e");
  first.add("a", rows, [embedding, head]);
  second.add("a", rows, []);
  expect([...first.tensors("a").keys()]).toEqual(["token_adapter.trainable_tokens_delta"]);
  expect([...second.tensors("a").keys()]).toEqual([]);
  expect([...first.tensors("b").keys()]).toEqual([]);
  expect(first.mergeSteps(["a"], "e")).toHaveLength(1);
  expect(second.mergeSteps(["a"], "h")).toEqual([]);
  expect(first.mergeSteps(["b"], "e")).toEqual([]);
  const ids = tensor([1, 0], { dtype: "i32" });
  expect([...first.forward(ids).dataSync()]).toEqual([3, 4, 1, 2]);
  active.names = ["a"];
  const other = new TrainableTokens(new Linear(new Parameter(zeros([5, 2]))), "linear", active);
  other.add("a", rows, []);
  expect([...other.forward(tensor([[1, 1]])).dataSync()]).toEqual([0, 7, 0, 0, 0]);
  active.names = ["b"];
  expect([...other.forward(tensor([[1, 1]])).dataSync()]).toEqual([0, 0, 0, 0, 0]);
});

test("a module that adapters train whole runs with the active adapter's copy", () => {
  const active = new ActiveAdapter();
  const saved = new SavedModule(new Linear(table(), new Parameter(zeros([5]))), active);
  saved.add("a");
  const run = () => [...saved.forward(tensor([[1, 0]])).dataSync()];
  const before = run();
  active.names = ["a"];
  expect(run()).toEqual(before);
  const copies = saved.tensors("a");
  expect([...copies.values()].map((copy) => copy.requiresGrad)).toEqual([true, true]);
  noGrad(() => copyInto(copies.get("modules_to_save.bias") ?? copies.get("bias")!, tensor([1, 1, 1, 1, 1])));
  expect(run()).toEqual(before.map((value) => value + 1));
  expect([...saved.originals("a").keys()]).toEqual(["weight", "bias"]);
  active.names = ["b"];
  expect(run()).toEqual(before);
});

test("a swapped parameter is in all places of the tied one", () => {
  const model = new Owner();
  const shared = parameter(1);
  const [first, second] = [Object.assign(new Owner(), { weight: shared, name: "x" }), new Owner()];
  Object.assign(model, { first, second: Object.assign(second, { bias: shared, other: parameter(2) }) });
  const places = placesOf(model);
  expect(places.get(shared)).toEqual([
    { owner: first, key: "weight" },
    { owner: second, key: "bias" },
  ]);
  expect(places.size).toBe(2);
  const swap = new Swap(places.get(shared)!, parameter(3));
  const values = () => [first, second].flatMap((owner) => [...owner.parameters()].map((p) => p.dataSync()[0]));
  swap.set(true);
  expect(values()).toEqual([3, 3, 2]);
  swap.set(false);
  expect(values()).toEqual([1, 1, 2]);
});
