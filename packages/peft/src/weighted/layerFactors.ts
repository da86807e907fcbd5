import type { Tensor } from "@lowrank/core";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { ProductForm } from "../methods/shared/methodFacts.ts";
import { filePrefix } from "../model/adapter/adapter.ts";
import type { HostFactors, Matrix } from "./productFactors.ts";

/** Returns the matrix A or B, named `name`, of an adapter on the layer at `path`. Undefined if the layer lacks it. */
export function factorOf(
  parameters: ReadonlyMap<string, Tensor>,
  path: string,
  side: "a" | "b",
  { factors }: ProductForm<PeftConfig>,
): Tensor | undefined {
  const found = factors.map((pair) => parameters.get(`${filePrefix}${path}.${pair[side]}`));
  return found.find((tensor) => tensor !== undefined);
}

/** Reads an f32 matrix, or filters as rows of a matrix, into host memory. */
export async function inHost(t: Tensor): Promise<Matrix> {
  const [rows] = t.shape;
  return { values: (await t.data()) as Float32Array, rows, columns: t.size / rows };
}

/** Reads the factors A and B of the layer at `path` into host memory. Throws for a convolution with groups. */
export async function factorsInHost(a: Tensor, b: Tensor, path: string): Promise<HostFactors> {
  const found = { a: await inHost(a), b: await inHost(b) };
  if (found.a.rows === found.b.columns) return found;
  throw new Error(`${path} is a convolution with groups, on which LoRA's update is no product B A; leave it out`);
}
