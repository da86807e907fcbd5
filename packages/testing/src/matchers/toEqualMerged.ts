import { isPacked, OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { PeftModel } from "@lowrank/peft";
import { layerPaths } from "../comparing/layerCalls.ts";
import { PropertyError } from "../errors/propertyError.ts";
import { checkMergeOf } from "../properties/mergeEqualsUnmerged.ts";
import { argumentsOf, freeInputs, type ModelArguments, outputTensor } from "../subjects/inputs.ts";
import { type MatcherResult, result } from "./matcher.ts";

/** Options of `toEqualMerged`. */
export interface EqualMergedOptions {
  /** A description of token ids, or the arguments of the model's `forward`. Default: 3 sequences of 4 tokens. */
  inputs?: ModelArguments;
}

/**
 * Passes if merging the active adapter of a `PeftModel` does not change the output of any layer by more than rounding.
 * The adapter is unmerged again. See `mergeEqualsUnmerged`.
 */
export async function toEqualMerged(received: unknown, options: EqualMergedOptions = {}): Promise<MatcherResult> {
  checkOptions("toEqualMerged", options, { inputs: true });
  if (!(received instanceof PeftModel)) {
    throw new OptionError("toEqualMerged", "received", received, "is no PeftModel; wrap the model with getPeftModel");
  }
  const peft = received;
  const model = peft.baseModel;
  const inputs = argumentsOf(model, options.inputs);
  const isQuantized = [...model.parameters()].some(({ dtype }) => isPacked(dtype));
  const modes = [...peft.namedModules()].map(([, module]) => [module, module.training] as const);
  const name = `adapter "${peft.activeAdapter}"`;
  try {
    peft.eval();
    await checkMergeOf({
      ...{ peft, isOwned: true, seed: null, paths: peft.disableAdapter(() => layerPaths(model)) },
      mergeOptions: { verify: false, ...(isQuantized && { dtype: "f32" }) },
      run: (one) => outputTensor(model, (one.forward as (...args: readonly unknown[]) => unknown)(...inputs)),
    });
    return result(true, "", `expected the merge of ${name} to change outputs, and it does not`);
  } catch (error) {
    if (!(error instanceof PropertyError)) throw error;
    return result(false, `expected the merge of ${name} to change no outputs; ${error.detail}`, "");
  } finally {
    for (const [module, training] of modes) module.training = training;
    if (inputs !== options.inputs) freeInputs(inputs);
  }
}
