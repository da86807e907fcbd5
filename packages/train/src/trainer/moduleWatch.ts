import { affine, defineOp, keep, noGrad, type Op, scope, sum, Tensor, to } from "@lowrank/core";

/** One observed output or gradient of a module. `flag` is 0 if all its values are finite, otherwise NaN. */
interface Sighting {
  readonly path: string;
  readonly what: "output" | "gradient";
  readonly flag: Tensor;
}

interface ProbeParams {
  readonly see: (gradient: Tensor) => void;
}

/** An op that returns its input unchanged and, in the backward pass, calls `see` with the gradient. */
const probe: Op<1, ProbeParams> = defineOp({
  name: "train/probe",
  arity: 1,
  view: true,
  shape: ([x]) => x,
  vjp: ({ grads: [dy], params }) => {
    params.see(dy);
    return [dy];
  },
});

/** Returns a scalar: 0 if all elements of x are finite, otherwise NaN. The caller frees it. */
export function flagOf(x: Tensor): Tensor {
  return keep(noGrad(() => scope(() => sum(affine(to(x.detach(), { dtype: "f32" }), { scale: 0 })))));
}

type Forward = (...args: unknown[]) => unknown;

/** Observes the outputs of modules, and the gradients of these outputs, in the order in which they are computed. */
export class ModuleWatch implements Disposable {
  readonly #seen: Sighting[] = [];
  readonly #watched: { module: { forward: Forward }; own: boolean; forward: Forward }[] = [];

  constructor(modules: Iterable<[string, object]>) {
    for (const [path, module] of modules) {
      const { forward } = module as { forward?: unknown };
      if (typeof forward === "function" && path !== "") this.#watch(path, module as { forward: Forward });
    }
  }

  /**
   * Returns the first module with an output that is not finite. If all outputs are finite, returns the first module
   * with a gradient that is not finite. Null if all outputs and gradients are finite.
   */
  async first(): Promise<Pick<Sighting, "path" | "what"> | null> {
    for (const what of ["output", "gradient"] as const) {
      for (const sighting of this.#seen) {
        if (sighting.what === what && Number.isNaN(await sighting.flag.item())) return sighting;
      }
    }
    return null;
  }

  #watch(path: string, module: { forward: Forward }): void {
    const { forward } = module;
    this.#watched.push({ module, own: Object.hasOwn(module, "forward"), forward });
    module.forward = (...args) => this.#look(path, forward.apply(module, args));
  }

  #look(path: string, output: unknown): unknown {
    if (!(output instanceof Tensor)) return output;
    this.#seen.push({ path, what: "output", flag: flagOf(output) });
    if (!output.requiresGrad) return output;
    const see = (gradient: Tensor) => void this.#seen.push({ path, what: "gradient", flag: flagOf(gradient) });
    return probe(output, { see });
  }

  [Symbol.dispose](): void {
    for (const { module, own, forward } of this.#watched) {
      if (own) module.forward = forward;
      else delete (module as { forward?: Forward }).forward;
    }
    for (const { flag } of this.#seen) flag.dispose();
  }
}
