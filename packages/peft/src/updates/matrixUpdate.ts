import { singularValues } from "@lowrank/core";
import { padded } from "../weighted/combineLayer.ts";
import {
  type HostFactors,
  type Matrix,
  matrixFactors,
  productFactors,
  productValues,
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
