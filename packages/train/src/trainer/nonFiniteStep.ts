import {
  affine,
  defineOp,
  type Generator,
  type GeneratorState,
  keep,
  noGrad,
  type Op,
  OptionError,
  type OptionNaming,
  scope,
  sum,
  Tensor,
  to,
  withBackend,
} from "@lowrank/core";
import { backendOf, type TrainableModule } from "../data/batches/modelBatch.ts";
import { lossAndGradients, type MicroBatch } from "./trainingStep.ts";

/**
 * Objects that are needed to repeat a step whose loss, gradient or update was not finite. `generators` maps each random
 * generator to its state before the step.
 */
interface NonFiniteStep {
  readonly model: TrainableModule;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly parts: readonly MicroBatch[];
  readonly generators: ReadonlyMap<Generator, GeneratorState>;
}

/** A step whose loss, gradient or update was not finite, with measurements for the error message. */
interface StepFacts extends NonFiniteStep {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  /** The peak learning rate (the maximum of the schedule) of each parameter group. */
  readonly peaks: readonly number[];
  readonly maxGradNorm: number;
}

/** Thrown for a step whose loss, gradient or update is not finite. */
export class NonFiniteStepError extends OptionError {
  override readonly name = "NonFiniteStepError";
  override readonly code = "non_finite_step";
}

/**
 * Returns the error for a step whose loss, gradient or update is not finite. The error's message names where values
 * first stopped being finite. The step has no effect: weights, optimiser state, data position and random generators are
 * as before it.
 */
export async function refusedStep(facts: StepFacts): Promise<NonFiniteStepError> {
  const { step, loss, gradNorm, peaks, maxGradNorm, generators } = facts;
  const refused = (text: (named: OptionNaming, rate: string) => string) =>
    new NonFiniteStepError("Trainer", "learningRate", peaks[0], (named) => {
      return text(named, `${named("learningRate")} (${peaks.join(", ")})`);
    });
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) {
    for (const [generator, state] of generators) generator.state = state;
    return refused(
      (_, rate) => `the update of step ${step} is not finite; lower ${rate}. The weights are as they were`,
    );
  }
  const failure = Number.isFinite(loss)
    ? `the gradient norm of step ${step} is ${gradNorm}`
    : `the loss of step ${step} is ${loss}`;
  const where = await whereNotFinite(facts);
  return refused((named, rate) => {
    const norm = named("maxGradNorm");
    const other = maxGradNorm > 0 ? `or ${norm} (${maxGradNorm})` : `or set ${norm}, which is off`;
    return `${failure}; lower ${rate} ${other}. The weights are as they were; ${where}`;
  });
}

/** Returns the error for an evaluation whose loss is not finite. */
export function refusedEvaluation(step: number, loss: number, peaks: readonly number[]): Error {
  return new OptionError("Trainer", "learningRate", peaks[0], (named) => {
    const rate = `${named("learningRate")} (${peaks.join(", ")})`;
    return `the evaluation after step ${step} has a loss of ${loss}; lower ${rate}, or look at the weights and the data`;
  });
}

/**
 * Repeats a step with the same random values, observes every module, and describes where values first stop being
 * finite. The caller must free the gradients of the original step first. This function frees the gradients of the
 * repetition.
 */
async function whereNotFinite({ model, parameters, parts, generators }: NonFiniteStep): Promise<string> {
  for (const [generator, state] of generators) generator.state = state;
  using watch = new ModuleWatch(model.namedModules());
  const flags = new Map<string, Tensor>();
  try {
    withBackend(backendOf(model), () => {
      for (const part of parts) scope(() => void lossAndGradients(part, true));
      for (const [name, { grad }] of parameters) if (grad) flags.set(name, flagOf(grad));
    });
    const first = await watch.first();
    if (first) return `the first module that is not finite is ${first.path}, in its ${first.what}`;
    for (const [name, flag] of flags) {
      if (Number.isNaN(await flag.item())) return `the first gradient that is not finite belongs to ${name}`;
    }
    return "the outputs and gradients of all modules are finite by themselves";
  } finally {
    for (const flag of flags.values()) flag.dispose();
    for (const parameter of parameters.values()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
    for (const [generator, state] of generators) generator.state = state;
  }
}

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
   * with a gradient that is not finite. Returns null if there is no such module.
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
