import { defaultGenerator, isPacked, mean, meta, OptionError, Tensor, withBackend } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { Module, Parameter } from "@lowrank/nn";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { copyStructure } from "./copyStructure.ts";
import type { ModelExample, ModelShapes } from "./onShapes.ts";

/** Options of `describeModule`. */
export interface DescribeModuleOptions<M extends AdaptableModel> {
  /** The module's name in reports. Default: the name of its class. */
  name?: string;
  /**
   * Returns the arguments of one call of `forward`, such as `() => [zeros([8, 784])]`. It runs on a backend without
   * values, so only shapes and dtypes matter. Default: none, so that operations and activations are not counted.
   */
  inputs?: () => [...Parameters<M["forward"]>];
  /**
   * Computes the loss of a training step, a scalar. `model` is the module, with or without an adapter. Default: the
   * mean of the tensor that `forward` returns for `inputs`.
   */
  loss?: (model: Pick<M, "forward">) => Tensor;
  /**
   * Number of rows in `inputs`, by which operations are divided. Default: the first dimension of the first input. For
   * token ids of shape [B, T], give B * T to get operations per token.
   */
  rows?: number;
}

/**
 * Describes a module of any class by its shapes, for `planMemory`, `reportAdapter` and `describeAdapter`. `make`
 * constructs the module, on a backend that has shapes but no values. It is called several times, so it must construct a
 * new module each time, without reading values of tensors, and without `await`. The default random generator keeps its
 * state.
 *
 * `make` may also be a module that exists. It then stays unchanged, but its structure is copied. Its `forward` must not
 * use private fields of your classes; give a function for such modules.
 *
 * Throws `OptionError` if `make` does not construct a module.
 *
 * @example
 * ```ts
 * const shapes = describeModule(() => new Sequential(new Linear(784, 256), new ReLU(), new Linear(256, 10)), {
 *   inputs: () => [zeros([32, 784])],
 * });
 * const { trainable } = await reportAdapter(shapes, new LoraConfig({ r: 4, targetModules: ["0", "2"] }));
 * console.log(trainable); // 5224
 * ```
 */
export function describeModule<M extends AdaptableModel>(
  make: (() => M) | M,
  options: DescribeModuleOptions<NoInfer<M>> = {},
): ModelShapes<M> {
  checkOptions("describeModule", options, { name: true, inputs: true, loss: true, rows: true });
  const copies = make instanceof Module;
  const construct = copies ? () => copyStructure(make) : make;
  const module = onMeta(() => made(construct));
  const parameters = Array.from(module.namedParameters(), ([name, { shape }]) => ({ name, shape }));
  return {
    modelType: options.name ?? module.constructor.name,
    parameters,
    build: (source) =>
      withParameters(
        keepingRandomState(() => made(construct)),
        source,
      ),
    ...(options.inputs && { example: exampleOf(options.inputs, options, copies) }),
  };
}

function made<M extends AdaptableModel>(construct: () => M): M {
  const problem = (what: string) =>
    new OptionError("describeModule", "make", construct, `${what}; give a function such as () => new Net()`);
  if (typeof construct !== "function") throw problem(`is ${String(construct)}`);
  const module = construct();
  if (module instanceof Module) return module;
  throw problem((module as unknown) instanceof Promise ? "returns a promise" : `returns ${String(module)}, no module`);
}

const onMeta = <T>(fn: () => T): T => withBackend(meta(), () => keepingRandomState(fn));

/** Runs a function that may draw random numbers, and then resets the default generator. */
function keepingRandomState<T>(fn: () => T): T {
  const { state } = defaultGenerator;
  try {
    return fn();
  } finally {
    defaultGenerator.state = state;
  }
}

/** Replaces each parameter that is not packed by the one that `source` returns. Tied parameters stay tied. */
function withParameters<M extends Module>(module: M, source: Parameters<ModelShapes["build"]>[0]): M {
  const replaced = new Map(
    Array.from(module.namedParameters(), ([name, parameter]) => {
      return [parameter, isPacked(parameter.dtype) ? parameter : source(name, parameter.shape)];
    }),
  );
  for (const [, part] of module.namedModules()) {
    const fields = part as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(fields)) {
      if (value instanceof Parameter) fields[name] = replaced.get(value);
    }
  }
  return module;
}

/** Returns the batch on which the module runs. `copied` is true if the module is a copy of a user's. */
function exampleOf<M extends AdaptableModel>(
  inputs: () => [...Parameters<M["forward"]>],
  { loss, rows }: DescribeModuleOptions<M>,
  copied: boolean,
): ModelExample {
  const forward = (model: AdaptableModel): unknown => {
    try {
      return model.forward(...inputs());
    } catch (error) {
      if (!copied || !(error instanceof TypeError)) throw error;
      const problem = `is a module whose copy cannot run (${error.message}); give a function such as () => new Net()`;
      throw new OptionError("describeModule", "make", model, problem);
    }
  };
  return {
    rows: rows ?? onMeta(() => rowsOf(inputs())),
    forward,
    loss: (model) => {
      if (loss) return loss(model as Pick<M, "forward">);
      const output = forward(model);
      if (output instanceof Tensor) return mean(output);
      const problem = `is missing, and forward returns ${String(output)}, no tensor; give a function that computes the loss`;
      throw new OptionError("describeModule", "loss", undefined, problem);
    },
  };
}

function rowsOf(inputs: readonly unknown[]): number {
  const tensor = inputs.find((input) => input instanceof Tensor);
  return tensor?.shape[0] ?? 1;
}
