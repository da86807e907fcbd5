import { GraphNode, graphClock } from "../engine/graph.ts";
import type { OpDefinition } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import { type Storage, writeClock } from "../engine/storage.ts";
import { Tensor } from "../engine/tensor.ts";
import { isGradEnabled } from "../modes/gradMode.ts";
import { collectRecomputeChecks, edgesBefore, recordReads, watchGenerators, withGenerators } from "./recordings.ts";

/**
 * Wraps `fn` so that the values it computes inside are not stored, but computed again in the backward pass. This saves
 * memory, and costs one more forward pass. Both passes draw the same random numbers. Gradients flow to the arguments
 * and to all other tensors that `fn` uses, such as parameters. Tensors that are not arguments must stay alive and
 * unchanged until the backward pass, so pass temporary tensors as arguments. Chen et al. 2016, arXiv:1604.06174.
 */
export function checkpoint<A extends Tensor[], R extends Tensor | Tensor[]>(
  fn: (...inputs: A) => R,
): (...inputs: A) => R {
  return (...inputs) => (isGradEnabled() ? forgetful(fn, inputs) : fn(...inputs));
}

function forgetful<A extends Tensor[], R extends Tensor | Tensor[]>(fn: (...inputs: A) => R, inputs: A): R {
  return scope((): R => {
    const start = graphClock();
    const savedAt = writeClock();
    const watched = watchGenerators(() => recordReads(() => collectRecomputeChecks(() => scope(() => fn(...inputs)))));
    const { found } = watched;
    const { reads } = watched.result;
    const { result, checks } = watched.result.result;
    const readAt = writeClock();
    const outputs: Tensor[] = Array.isArray(result) ? result : [result];
    // Recorded once to find what `fn` depends on. The recording is freed with the handles of this scope.
    const reached = edgesBefore(start, outputs);
    if (reached.length === 0) return result;
    const specs = outputs.map((t) => t.spec());
    const definition: OpDefinition<void> = {
      name: "checkpoint",
      shape: () => specs,
      compose: (saved) => {
        for (const check of checks) check();
        for (const storage of reads) expectUnwritten(storage, readAt);
        return withGenerators(found, () => scope(() => fn(...(saved as A))));
      },
    };
    const node = new GraphNode(null, {
      definition: definition as OpDefinition<unknown>,
      params: undefined,
      // The saved arguments need their nodes, so these are referenced too, even if no gradient reaches them.
      edges: [...reached, ...inputs.flatMap(({ edge }) => edge ?? [])],
      inputs: inputs.map((t) => t.spec()),
      outputs: specs,
      savedInputs: inputs.map((t) => t.alias()),
      savedOutputs: [],
      savedAt,
    });
    const remembered = outputs.map(
      (t, i) => new Tensor(t.storage.retain(), t.spec(), t.requiresGrad ? { node, index: i } : null),
    );
    return (Array.isArray(result) ? remembered : remembered[0]) as R;
  });
}

function expectUnwritten({ version, writer }: Storage, since: number): void {
  if (version <= since) return;
  throw new Error(
    `backward: checkpoint recomputes its function, but ${writer} has overwritten a tensor that it reads; run backward before that`,
  );
}
