import { singularValues } from "@lowrank/core";
import { padded } from "../weighted/combineLayer.ts";
import {
  type HostFactors,
  type Matrix,
  matrixFactors,
  productFactors,
  productValues,
} from "../weighted/productFactors.ts";

/** The update of one weight matrix by an adapter or a training. */
export interface MatrixUpdate {
  /** The path of the module with the weight. */
  readonly path: string;
  /** Number of outputs and of inputs of the layer. */
  readonly shape: readonly [rows: number, columns: number];
  /** The update as a product B A if the method stores it so, otherwise as a matrix [rows, columns]. */
  readonly change: HostFactors | Matrix;
  /** The Frobenius norm of the original weight. */
  readonly weightNorm: number;
}

/** A low-rank approximation of an update. */
export interface LowRankUpdate extends HostFactors {
  /** The Frobenius norm of the difference divided by the update's norm; 0 if the update is zero. */
  readonly relativeError: number;
}

const isProduct = (change: HostFactors | Matrix): change is HostFactors => "a" in change;

/**
 * Returns the singular values of an update, largest first. A product B A of rank r is never multiplied out; it has at
 * most r values.
 */
export function updateValues({ change }: MatrixUpdate): Float64Array {
  return isProduct(change) ? productValues(change) : singularValues(change.values, change.rows, change.columns);
}

/**
 * Returns the best approximation of an update by a product B A of rank r (Eckart and Young 1936), by truncated SVD: A
 * [r, columns], B [rows, r]. A lower rank is padded with zeros.
 */
export function approximateUpdate(update: MatrixUpdate, r: number): LowRankUpdate {
  const { change } = update;
  const squares = updateValues(update).map((value) => value * value);
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const total = sum(squares);
  const found = isProduct(change) ? productFactors(change, r) : matrixFactors(change, r);
  return { ...padded(found, r), relativeError: total > 0 ? Math.sqrt(sum(squares.subarray(r)) / total) : 0 };
}
