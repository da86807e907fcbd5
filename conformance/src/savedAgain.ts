import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AdapterCase, methods } from "./adapterCase.ts";
import { fullConfig, peftDefaults } from "./configDefaults.ts";
import type { Python } from "./python.ts";

/** Minimum length of target lists that PEFT shortens. */
const shortened = 20;

const listLength = (config: ReadonlyMap<string, string>): number =>
  (JSON.parse(config.get("target_modules") ?? "null") as string[] | null)?.length ?? 0;

/**
 * Returns the differences after the other side has loaded an adapter's folder and saved it to `again`. The weights must
 * be equal byte for byte, and the configurations must have the same meaning.
 */
export async function savedAgain(
  python: Python,
  adapter: AdapterCase,
  folder: string,
  again: string,
  dtype: string,
): Promise<string[]> {
  const { peftType, options, method } = adapter;
  // With `bias: "all"`, files repeat the base model's biases in its dtype, which in Python is float32. Buffers of some
  // methods have that dtype too.
  const repeats = ("bias" in options && options.bias === "all") || methods[peftType].buffersFollowBaseDtype;
  const repeatsHalf = dtype !== "float32" && repeats;
  const [weights, weightsAgain] = await both("adapter_model.safetensors");
  const problems =
    weights.equals(weightsAgain) || method.rounded?.(options) || repeatsHalf
      ? []
      : [`the weights are others when saved again: ${firstDifference(String(weights), String(weightsAgain))}`];
  const defaults = await peftDefaults(python, peftType);
  const [config, configAgain] = (await both("adapter_config.json")).map((json) => fullConfig(String(json), defaults));
  for (const field of new Set([...config.keys(), ...configAgain.keys()])) {
    // PEFT shortens a long list of paths when it loads it.
    if (field === "target_modules" && listLength(config) >= shortened) continue;
    const [a, b] = [config, configAgain].map((of) => (field === "target_modules" ? withoutTie(of) : of.get(field)));
    // PEFT writes an empty list if a model's experts are one parameter, and writes lists for Mixtral from sets.
    if (field === "target_parameters" && sameNames(a, b)) continue;
    if (field === "target_modules" && config.get("target_parameters") !== "null" && sameNames(a, b)) continue;
    if (a !== b) problems.push(`${field} is ${a}, and ${b} when saved again`);
  }
  return problems;

  function both(name: string): Promise<Buffer[]> {
    return Promise.all([folder, again].map((place) => readFile(join(place, name))));
  }
}

/** Returns the targets without the embedding, which PEFT adds to an expression at each load to tie layers. */
function withoutTie(config: ReadonlyMap<string, string>): string | undefined {
  let targets = config.get("target_modules");
  if (config.get("ensure_weight_tying") !== "true") return targets;
  const added = /^"\(\?:(.*)\|\^[^|]*\$\)"$/;
  while (targets && added.test(targets)) targets = targets.replace(added, '"$1"');
  return targets;
}

/** Returns true if two lists in JSON have the same names in any order. An empty list equals null. */
function sameNames(...lists: (string | undefined)[]): boolean {
  const [a, b] = lists.map((list) => {
    const names: unknown = JSON.parse(list ?? "null") ?? [];
    return JSON.stringify(Array.isArray(names) ? [...names].sort() : names);
  });
  return a === b;
}

/** Returns the text around the first difference. In a header it names the tensor. */
function firstDifference(a: string, b: string): string {
  let at = 0;
  while (a[at] === b[at]) at++;
  const part = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 60), at + 60));
  return `${part(a)} became ${part(b)}`;
}
