import { edgesBefore } from "./autograd.ts";
import { isGradEnabled } from "./gradMode.ts";
import { GraphNode, graphClock } from "./graph.ts";
import { watchChecks } from "./onRecompute.ts";
import type { OpDefinition } from "./op.ts";
import { watchGenerators, withGenerators } from "./random.ts";
import { scope } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/**
 * `fn` with its intermediate values forgotten, and computed again when the backward pass comes (Chen et al. 2016,
 * arXiv:1604.06174): less memory for one more forward pass. Random numbers repeat. Gradients reach the arguments and
 * whatever else `fn` uses, parameters say; but what is not an argument must live until the backward pass, so temporary
 * tensors are to be passed as arguments.
 */
export function checkpoint<A extends Tensor[], R extends Tensor | Tensor[]>(
  fn: (...inputs: A) => R,
): (...inputs: A) => R {
  return (...inputs) => (isGradEnabled() ? forgetful(fn, inputs) : fn(...inputs));
}

function forgetful<A extends Tensor[], R extends Tensor | Tensor[]>(fn: (...inputs: A) => R, inputs: A): R {
  return scope((): R => {
    const start = graphClock();
    const watched = watchGenerators(() => watchChecks(() => scope(() => fn(...inputs))));
    const { found } = watched;
    const { result, checks } = watched.result;
    const outputs: Tensor[] = Array.isArray(result) ? result : [result];
    // Recorded once to learn what `fn` depends on; the record goes with the handles of this scope.
    const edges = edgesBefore(start, outputs);
    if (edges.length === 0) return result;
    const specs = outputs.map((t) => t.spec());
    const definition: OpDefinition<void> = {
      name: "checkpoint",
      shape: () => specs,
      compose: (saved) => {
        for (const check of checks) check();
        return withGenerators(found, () => scope(() => fn(...(saved as A))));
      },
    };
    const node = new GraphNode(null, {
      definition: definition as OpDefinition<unknown>,
      params: undefined,
      edges,
      inputs: inputs.map((t) => t.spec()),
      outputs: specs,
      savedInputs: inputs.map((t) => t.alias()),
      savedOutputs: [],
    });
    const remembered = outputs.map((t, i) => new Tensor(t.storage.retain(), t, t.requiresGrad ? node : null, i));
    return (Array.isArray(result) ? remembered : remembered[0]) as R;
  });
}
