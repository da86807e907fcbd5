import { copyInto, type Tensor, zeros } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { Adapter } from "./adapter.ts";
import { type PeftConfig, sameValue } from "./config/peftConfig.ts";
import { LoraConfig } from "./methods/loraConfig.ts";
import type { Tuner } from "./tuner.ts";

/** Options that two adapters may differ in though one takes the other's place: what they say shows in the tensors, or is past. */
const free =
  /^(baseModelNameOrPath|revision|taskType|fanInFanOut|(target|exclude)Modules|layers(ToTransform|Pattern)|init.*|.*Init|(loftq|eva)Config)$/;

/** Throws for a start that changes the base weights when the adapter is put on them. */
export function checkKeepsBase(config: PeftConfig): void {
  const start = config instanceof LoraConfig ? `${config.initLoraWeights}` : "";
  if (!/^(pissa|olora|loftq)/.test(start)) return;
  throw new Error(
    `hotswapAdapter: the adapter started from ${start}, and belongs to base weights of its own; delete the old adapter and use loadAdapter on the base weights as they were`,
  );
}

/** Writes the values of adapter `incoming` into those of `name`. Throws, with nothing written, where they do not fit. */
export function swapValues(tuner: Tuner<Module>, incoming: string, name: string): void {
  checkConfigs(tuner.adapter(incoming), tuner.adapter(name));
  const [values, own] = [valuesOf(tuner, incoming), valuesOf(tuner, name)];
  const wrong = [...values].flatMap(([key, { shape }]) => {
    const there = own.get(key)?.shape;
    if (there?.join() === shape.join()) return [];
    return [there ? `${key} is [${shape}], not [${there}]` : `${key} has no place`];
  });
  const missing = [...own.keys()].filter((key) => !values.has(key));
  // LoRA on a layer that the new adapter leaves alone is a product of zeros.
  const { config } = tuner.adapter(name);
  const canBeZero = config instanceof LoraConfig && !config.useDora;
  wrong.push(...missing.filter((key) => !canBeZero || !key.includes(".lora_")).map((key) => `${key} is missing`));
  if (wrong.length > 0) {
    throw new Error(
      `hotswapAdapter: the files do not fit adapter "${name}": ${wrong.join("; ")}; use loadAdapter under a new name`,
    );
  }
  for (const [key, tensor] of own) {
    const value = values.get(key);
    if (value) copyInto(tensor, value);
    else {
      using none = zeros(tensor.shape, { backend: tensor.storage.backend });
      copyInto(tensor, none);
    }
  }
}

/** All that an adapter brings to its model: what trains, constants, tables of its own. */
function valuesOf(tuner: Tuner<Module>, name: string): Map<string, Tensor> {
  const { swaps } = tuner.adapter(name);
  const replaced = [...swaps].map(([key, { on }]) => [key, on] as const);
  return new Map<string, Tensor>([...tuner.trained(name), ...tuner.buffers(name), ...replaced]);
}

function checkConfigs({ config: next, method }: Adapter, { config, method: own, name }: Adapter): void {
  const refuse = (key: string, value: unknown, wanted: unknown): never => {
    throw new Error(
      `hotswapAdapter: ${key} is ${JSON.stringify(value)}, and ${JSON.stringify(wanted)} in adapter "${name}"; use loadAdapter under a new name`,
    );
  };
  if (method !== own) refuse("the method", method.peftType, own.peftType);
  const fields = next as unknown as Record<string, unknown>;
  for (const [key, wanted] of Object.entries(config as PeftConfig)) {
    if (!free.test(key) && !sameValue(fields[key], wanted)) refuse(key, fields[key], wanted);
  }
}
