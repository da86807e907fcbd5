import { noGrad, scope, singularValues, sub, type Tensor } from "@lowrank/core";
import { Conv1D, Embedding, type Module, type MultiheadAttention, type Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { TunerLayer, toF32 } from "../layers/tunerLayer.ts";
import type { Wrapper } from "../layers/wrapper.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import type { MethodFacts, ProductForm } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { Adapter } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { padded } from "../weighted/combineLayer.ts";
import { factorOf, factorsInHost, inHost } from "../weighted/layerFactors.ts";
import {
  type HostFactors,
  type Matrix,
  matrixFactors,
  productFactors,
  productValues,
  transposed,
} from "../weighted/productFactors.ts";

/** Change that an adapter or a training makes to one weight matrix. */
export interface MatrixUpdate {
  /** The path of the module that contains the weight. */
  readonly path: string;
  /** The layer's number of outputs (rows) and of inputs (columns). */
  readonly shape: readonly [rows: number, columns: number];
  /** The change: as factors B and A if the method stores them, otherwise as a matrix [rows, columns]. */
  readonly change: HostFactors | Matrix;
  /** The Frobenius norm of the original weight. */
  readonly weightNorm: number;
}

/** A product B A that approximates a weight's change. */
export interface LowRankUpdate extends HostFactors {
  /** The Frobenius norm of the error divided by the norm of the change; 0 if the change is zero. */
  readonly relativeError: number;
}

const isProduct = (change: HostFactors | Matrix): change is HostFactors => "a" in change;

/**
 * Returns the singular values of a weight's change, largest first. A change B A of rank r has at most r of them, and B
 * A is not multiplied out.
 */
export function updateValues({ change }: MatrixUpdate): Float64Array {
  return isProduct(change) ? productValues(change) : singularValues(change.values, change.rows, change.columns);
}

/**
 * Returns the best approximation of a weight's change by a product B A of rank r, computed by truncated SVD (Eckart and
 * Young 1936): A [r, columns], B [rows, r]. If the change has a lower rank, A and B are padded with zeros.
 */
export function approximateUpdate(update: MatrixUpdate, r: number): LowRankUpdate {
  const { change } = update;
  const squares = updateValues(update).map((value) => value * value);
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const total = sum(squares);
  const found = isProduct(change) ? productFactors(change, r) : matrixFactors(change, r);
  return { ...padded(found, r), relativeError: total > 0 ? Math.sqrt(sum(squares.subarray(r)) / total) : 0 };
}

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

/**
 * Yields the change that an adapter makes to each weight matrix, layer by layer, in host memory. If the method adds
 * products B A, yields B and A; otherwise yields the matrix that a merge would add. Calls `leaveOut` with the paths of
 * other parameters that the adapter changes, such as biases and norms. Throws if the adapter's method changes no weight
 * matrix.
 */
export async function* adapterUpdates<M extends AdaptableModel>(
  peft: PeftModel<M>,
  adapterName: string,
  leaveOut: (path: string) => void = () => {},
): AsyncGenerator<MatrixUpdate> {
  const tuner: Tuner<Module> = peft.base_model;
  const adapter = tuner.adapter(adapterName);
  const wrappers = [...tuner.wrappers].filter(([, wrapper]) => wrapper.has(adapterName));
  checkMatrices(adapter, wrappers);
  for (const key of adapter.swaps.keys()) leaveOut(key);
  const form = productForm(adapter);
  for (const [path, wrapper] of wrappers) {
    const product = form && (await productAt(tuner, adapter, path, form));
    if (product) {
      const { weight, in_proj_weight } = wrapper.wrapped as Embedding & Pick<MultiheadAttention, "in_proj_weight">;
      const shape = [product.b.rows, product.a.columns] as const;
      yield { path, shape, change: product, weightNorm: await normOf(weight ?? in_proj_weight) };
    } else yield* mergedChanges(wrapper, adapterName, path, leaveOut);
  }
}

/** Throws, with the method's name, for an adapter that does not change weight matrices. */
function checkMatrices(adapter: Adapter, wrappers: readonly (readonly [string, Wrapper])[]): void {
  const { name, method, config } = adapter;
  const refuse = (why: string): never => {
    throw new Error(`adapter "${name}" is ${method.peftType}, ${why}`);
  };
  if (isPromptMethod(method)) {
    refuse("which adds virtual tokens and changes no weight: it has no spectrum");
  }
  const { startsFromWeights }: MethodFacts<PeftConfig> = method;
  const start = startsFromWeights?.(config) ?? null;
  if (start) {
    refuse(
      `initialised by ${start.name}, which changed the base weights; save it with pathInitialModelForWeightConversion, and inspect the saved adapter`,
    );
  }
  const stuck = wrappers.find(([, wrapper]) => wrapper instanceof TunerLayer && !wrapper.get(name)?.merge);
  if (stuck) refuse(`whose change of ${stuck[0]} is not an additive update of the weight: it has no spectrum`);
}

/**
 * Returns the method's description of its products B A. Null if the method does not add such products, or if this
 * adapter also changes its layers in another way.
 */
function productForm({ method, config }: Adapter): ProductForm<PeftConfig> | null {
  const form = method.combines as ProductForm<PeftConfig> | undefined;
  return form?.kind === "products" && form.besides(config) === null ? form : null;
}

async function productAt(tuner: Tuner<Module>, adapter: Adapter, path: string, form: ProductForm<PeftConfig>) {
  const parameters = tuner.trained(adapter.name);
  const [a, b] = [factorOf(parameters, path, "a", form), factorOf(parameters, path, "b", form)];
  if (!a || !b) return null;
  const scaling = form.scaling(adapter.config, path);
  const factors = await factorsInHost(a, b, path);
  return { ...factors, a: { ...factors.a, values: factors.a.values.map((value) => scaling * value) } };
}

/** Yields the matrices that merging the adapter would add to the weights of one module. */
async function* mergedChanges(
  wrapper: Wrapper,
  adapterName: string,
  path: string,
  leaveOut: (path: string) => void,
): AsyncGenerator<MatrixUpdate> {
  for (const step of wrapper.mergeSteps([adapterName], path)) {
    const before = (module: Module, key: string) => (module as unknown as Record<string, Tensor>)[key];
    const found = noGrad(() =>
      scope(() =>
        step.merged().flatMap(({ path: name, owners: [owner], key, value }) => {
          const old = before(owner, key);
          if (value.shape.length === 2) return [{ change: sub(value, toF32(old)), old, name, owner }];
          leaveOut(name);
          return [];
        }),
      ),
    );
    for (const { change, old, name, owner } of found) {
      using difference = change;
      const matrix = await inHost(difference);
      yield { ...asOutputsFirst(matrix, owner), path: name.replace(/\.[^.]*$/, ""), weightNorm: await normOf(old) };
    }
  }
}

/**
 * Returns a weight's change as [outputs, inputs]. `owner` is the module with the weight; some modules store it as
 * [inputs, outputs].
 */
function asOutputsFirst(matrix: Matrix, owner: Module): Pick<MatrixUpdate, "change" | "shape"> {
  const change = owner instanceof Conv1D || owner instanceof Embedding ? transposed(matrix) : matrix;
  return { change, shape: [change.rows, change.columns] };
}

/** Returns the Frobenius norm of a weight. */
async function normOf(weight: Tensor): Promise<number> {
  using full = noGrad(() => scope(() => toF32(weight.detach())));
  const values = (await full.data()) as Float32Array;
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}
