import { noGrad, scope, sub } from "@lowrank/core";
import type { Module, Parameter } from "@lowrank/nn";
import { toF32 } from "../layers/tunerLayer.ts";
import { inHost } from "../weighted/layerFactors.ts";
import { asOutputsFirst, normOf } from "./adapterUpdates.ts";
import type { MatrixUpdate } from "./matrixUpdate.ts";

/**
 * Yields the differences between the weight matrices of a model and of a tuned version of this model, for example after
 * full fine-tuning. Yields layer by layer, in host memory. Calls `leaveOut` with the paths of other parameters that
 * differ. Throws, with the parameter's name, if the models have different parameters.
 */
export async function* modelUpdates(
  model: Module,
  tuned: Module,
  leaveOut: (path: string) => void = () => {},
): AsyncGenerator<MatrixUpdate> {
  const others = new Map(tuned.namedParameters());
  const parameters = new Map(model.namedParameters());
  checkSame(parameters, others);
  for (const [name, before] of parameters) {
    const after = others.get(name)!;
    using difference = noGrad(() => scope(() => sub(toF32(after.detach()), toF32(before.detach()))));
    const path = name.replace(/\.?[^.]*$/, "");
    if (difference.shape.length === 2) {
      const matrix = asOutputsFirst(await inHost(difference), model.getSubmodule(path));
      yield { ...matrix, path, weightNorm: await normOf(before) };
    } else if (((await difference.data()) as Float32Array).some((value) => value !== 0)) leaveOut(name);
  }
}

function checkSame(model: ReadonlyMap<string, Parameter>, tuned: ReadonlyMap<string, Parameter>): void {
  const foreign = [...tuned.keys()].find((name) => !model.has(name));
  if (foreign !== undefined)
    throw new Error(
      `the parameter ${foreign} exists only in the second model; give two models of the same architecture`,
    );
  for (const [name, { shape }] of model) {
    const other = tuned.get(name);
    if (!other)
      throw new Error(`the parameter ${name} exists only in the first model; give two models of the same architecture`);
    if (shape.join() !== other.shape.join()) {
      throw new Error(
        `${name} is [${shape}] in the first model and [${other.shape}] in the second; give two models of the same sizes`,
      );
    }
  }
}
