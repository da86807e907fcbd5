import { OptionError, type Tensor } from "@lowrank/core";
import { overwriteBytes } from "@lowrank/core/internal";
import { Module } from "@lowrank/nn";
import type { AdaptableModel } from "@lowrank/peft";
import { argumentsOf, freeInputs, type ModelArguments } from "./inputs.ts";
import { buildModel, type ModelDescription } from "./modelDescription.ts";

/**
 * The model of a property: a description, a module without adapters, or a function that makes one. A module is used in
 * place, and has its old weights afterwards.
 */
export type ModelSubject = ModelDescription | AdaptableModel | (() => AdaptableModel | Promise<AdaptableModel>);

/** A model under test, with the arguments of its `forward`. */
export interface OpenedSubject {
  readonly model: AdaptableModel;
  readonly inputs: readonly unknown[];
}

/**
 * Builds or takes the model of a property, runs `fn` in evaluation mode, and frees what it built. A module that the
 * caller owns gets its weights, gradient flags and mode back.
 */
export async function withSubject<T>(
  subject: ModelSubject,
  inputs: ModelArguments | undefined,
  fn: (opened: OpenedSubject) => Promise<T>,
): Promise<T> {
  if (subject instanceof Module) return withOwned(subject, inputs, fn);
  const model = typeof subject === "function" ? await subject() : await buildModel(subject);
  if (!(model instanceof Module)) {
    throw new OptionError("", "model", model, () => "the function that makes the model returned no Module");
  }
  try {
    return await run(model.eval(), inputs, fn);
  } finally {
    for (const tensor of new Set(model.stateDict().values())) tensor.dispose();
  }
}

async function withOwned<T>(
  model: AdaptableModel,
  inputs: ModelArguments | undefined,
  fn: (opened: OpenedSubject) => Promise<T>,
): Promise<T> {
  const modes = [...model.namedModules()].map(([, module]) => [module, module.training] as const);
  const flags = [...model.parameters()].map((parameter) => [parameter, parameter.requiresGrad] as const);
  const saved = await bytesOfTensors(model.stateDict());
  try {
    return await run(model.eval(), inputs, fn);
  } finally {
    restoreTensors(model, saved);
    for (const [parameter, requiresGrad] of flags) parameter.requiresGrad = requiresGrad;
    for (const [module, training] of modes) module.training = training;
  }
}

async function run<T>(
  model: AdaptableModel,
  given: ModelArguments | undefined,
  fn: (opened: OpenedSubject) => Promise<T>,
): Promise<T> {
  const inputs = argumentsOf(model, given);
  try {
    return await fn({ model, inputs });
  } finally {
    if (inputs !== given) freeInputs(inputs);
  }
}

/** Returns the bytes of each tensor, by name. */
export async function bytesOfTensors(tensors: ReadonlyMap<string, Tensor>): Promise<Map<string, Uint8Array>> {
  const entries = Array.from(tensors, async ([name, tensor]) => [name, await tensor.bytes()] as const);
  return new Map(await Promise.all(entries));
}

/** Overwrites a model's tensors with the bytes that they had before. */
export function restoreTensors(model: Module, saved: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, tensor] of model.stateDict()) {
    const bytes = saved.get(name);
    if (bytes) overwriteBytes(tensor, bytes);
  }
}
