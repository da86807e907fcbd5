import { expect, test } from "vitest";
import { minimalTargets } from "./minimalTargets.ts";

const paths = (names: readonly string[], layers: number) =>
  Array.from({ length: layers }, (_, layer) => names.map((name) => `model.layers.${layer}.${name}`)).flat();
const modules = ["", "model", "model.layers", "lm_head"];

test("names of 20 targets or more become the shortest ends that match no other module", () => {
  const [targets, others] = [paths(["attn.q_proj", "mlp.up"], 10), paths(["attn.k_proj", "mlp.down"], 10)];
  expect([...minimalTargets(targets, [...modules, ...targets, ...others])].sort()).toEqual(["q_proj", "up"]);
});

test("19 names stay as they are", () => {
  const targets = paths(["attn.q_proj"], 19);
  expect(minimalTargets(targets, [...modules, ...targets])).toEqual(targets);
});

// What `_find_minimal_target_modules` of PEFT 0.21.2 returns for these names.
test("an end that another module has gets longer", () => {
  const [targets, others] = [paths(["attn.dense", "attn.value"], 10), paths(["mlp.dense"], 10)];
  expect([...minimalTargets(targets, [...modules, ...targets, ...others])].sort()).toEqual(["attn.dense", "value"]);
  const first = paths(["attn.value"], 20);
  const rest = paths(["attn.value"], 24).slice(20);
  expect(minimalTargets(first, [...modules, ...first, ...rest])).toEqual(first);
});

test("short names that match several modules stay if they are already minimal", () => {
  const names = Array.from({ length: 20 }, (_, i) => `part${i}`);
  expect(minimalTargets(names, [...modules, ...paths(names, 2)])).toEqual(names);
});
