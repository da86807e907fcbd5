import { affine, copyInto, Generator, noGrad, scope, sub } from "@lowrank/core";
import type { AnyMethod, PeftModel } from "@lowrank/peft";
import { isPromptMethod } from "@lowrank/peft/internal";
import { boundOf, firstMismatch, type LayerMismatch } from "../../comparing/compareLayers.ts";
import { largestDifference, positionOf } from "../../comparing/differences.ts";
import { callLayer, freeCalls, type LayerCall, layerAt, recordCalls } from "../../comparing/layerCalls.ts";
import { setAdapterValues } from "../../subjects/adapterValues.ts";
import { alphaField } from "../shared/declaredFields.ts";
import { failOnLayer } from "../shared/failures.ts";
import { type Adapted, fitting } from "../shared/withAdapter.ts";

/**
 * Checks that the update scales with alpha, and with the alpha of a single layer. Returns false for methods without
 * alpha, and for adapters with biases that the sum of updates would count twice.
 */
export async function checkAlpha({ peft, config, paths, run, seed }: Adapted): Promise<boolean> {
  const { method } = peft.base_model.adapter("default");
  const field = alphaField(method);
  const alpha: unknown = field === null ? null : Reflect.get(config, field);
  if (field === null || typeof alpha !== "number" || isPromptMethod(method)) return false;
  const isProduct = method.combines?.kind === "products";
  if (!isProduct && (method.bias?.(config as never) ?? "none") !== "none") return false;
  const hasPattern = "alphaPattern" in config;
  const path = peft.targetReport?.matched[0] ?? "";
  const add = async (name: string, own: number, alphaPattern: Readonly<Record<string, number>> = {}) => {
    const changed = config.with({ [field]: own, ...(hasPattern && { alphaPattern }) });
    await fitting(() => peft.addAdapter(name, changed, { generator: new Generator(seed) }));
    if (name === "plain") setAdapterValues(peft, { kind: "normal", seed: seed + 1 }, name);
    else copyAdapter(peft, "plain", name);
  };
  await add("plain", alpha);
  await add("doubled", 2 * alpha);
  if (hasPattern) await add("single", alpha, { [path]: 2 * alpha });
  const failing = { code: "config_ignored", property: "configIsApplied", seed } as const;
  const compare = async (chosen: readonly string[], [from, to]: readonly [string, string], what: string) => {
    peft.setAdapter(from);
    const calls = recordCalls(peft.baseModel, chosen, () => run(peft));
    try {
      peft.setAdapter(to);
      const found = await firstMismatch(peft.baseModel, calls);
      failOnLayer(failing, found, what, ["expected", `with this ${field}`]);
    } finally {
      freeCalls(calls);
    }
  };
  if (hasPattern) {
    const others = paths.filter((one) => one !== path);
    const what = `with alphaPattern { "${path}": ${2 * alpha} } and ${field} ${alpha}`;
    await compare([path], ["doubled", "single"], what);
    await compare(others, ["plain", "single"], what);
  }
  const doubled = `with ${field} ${2 * alpha} instead of ${alpha}`;
  if (isProduct) {
    doubleFactors(peft, method, "plain");
    await compare(paths, ["plain", "doubled"], `${doubled}, compared with twice B`);
    return true;
  }
  peft.setAdapter("plain");
  // Alpha does not scale modules that are saved whole, and rows of tokens.
  const adapted = paths.filter((one) => peft.targetReport?.matched.includes(one));
  const calls = recordCalls(peft.baseModel, adapted, () => run(peft));
  try {
    const found = await firstUnscaled(peft, calls);
    failOnLayer(failing, found, doubled, ["expected", `with this ${field}`]);
  } finally {
    freeCalls(calls);
  }
  return true;
}

/** Copies the trained values of one adapter to another one with the same tensors. */
function copyAdapter(peft: PeftModel, from: string, to: string): void {
  const values = peft.base_model.trained(from);
  noGrad(() => {
    for (const [key, parameter] of peft.base_model.trained(to)) {
      const value = values.get(key);
      if (value) copyInto(parameter, value);
    }
  });
}

/** Doubles the factors B of an adapter, and their biases. */
function doubleFactors(peft: PeftModel, { combines }: AnyMethod, name: string): void {
  if (combines?.kind !== "products") return;
  const ends = combines.factors.flatMap(({ b }) => [`.${b}`, `.${b.replace(/weight$/, "bias")}`]);
  noGrad(() =>
    scope(() => {
      for (const [key, parameter] of peft.base_model.trained(name)) {
        if (ends.some((end) => key.endsWith(end))) copyInto(parameter, affine(parameter, { scale: 2 }));
      }
    }),
  );
}

/**
 * Returns the first layer at which the adapter "doubled" does not change the base model's outputs twice as much as the
 * adapter "plain", whose calls are given.
 */
async function firstUnscaled(peft: PeftModel, calls: readonly LayerCall[]): Promise<LayerMismatch | null> {
  for (const { path, inputs, output } of calls) {
    const call = () => callLayer(layerAt(peft.baseModel, path), inputs);
    peft.setAdapter("doubled");
    using doubled = call();
    using bare = peft.disableAdapter(call);
    using expected = noGrad(() => scope(() => sub(affine(output, { scale: 2 }), bare)));
    const [wanted, found] = (await Promise.all([expected.data(), doubled.data()])) as Float32Array[];
    const { difference, index, a, b } = largestDifference(wanted, found);
    if (difference === 0) continue;
    const module = layerAt(peft.baseModel, path);
    const bounds = await Promise.all([doubled, output, bare].map((y) => boundOf(module, inputs, [y])));
    const bound = bounds[0] + 2 * bounds[1] + bounds[2];
    if (difference <= bound) continue;
    return { path, difference, bound, position: positionOf(index, output.shape), values: [a, b] };
  }
  return null;
}
