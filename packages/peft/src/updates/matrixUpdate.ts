import { singularValues } from "@lowrank/core";
import { padded } from "../weighted/combineLayer.ts";
import {
  type HostFactors,
  type Matrix,
  matrixFactors,
  productFactors,
  productValues,
} from "../weighted/productFactors.ts";

/** The change that an adapter or a training makes to one weight matrix. */
export interface MatrixUpdate {
  /** The path of the module that holds the weight. */
  readonly path: string;
  /** Number of outputs and of inputs of the layer. */
  readonly shape: readonly [rows: number, columns: number];
  /** The change as a product B A, where the method keeps it so; else whole, [rows, columns]. */
  readonly change: HostFactors | Matrix;
  /** The Frobenius norm of the weight that is changed. */
  readonly weightNorm: number;
}

/** A change of low rank near another one. */
export interface LowRankUpdate extends HostFactors {
  /** The Frobenius norm of the difference, as a share of that of the change; 0 for no change. */
  readonly relativeError: number;
}

const isProduct = (change: HostFactors | Matrix): change is HostFactors => "a" in change;

/**
 * The singular values of a change, largest first. A product B A is never made: of rank r, it has at
 * most r of them.
 */
export function updateValues({ change }: MatrixUpdate): Float64Array {
  return isProduct(change) ? productValues(change) : singularValues(change.values, change.rows, change.columns);
}

/**
 * The best approximation of a change by a product B A of rank r (Eckart and Young 1936), by a
 * truncated SVD: A [r, columns], B [rows, r]. Where the rank is lower already, zeros fill it up.
 */
export function approximateUpdate(update: MatrixUpdate, r: number): LowRankUpdate {
  const { change } = update;
  const squares = updateValues(update).map((value) => value * value);
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const total = sum(squares);
  const found = isProduct(change) ? productFactors(change, r) : matrixFactors(change, r);
  return { ...padded(found, r), relativeError: total > 0 ? Math.sqrt(sum(squares.subarray(r)) / total) : 0 };
}
