import type { Tensor } from "@lowrank/core";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { ProductForm } from "../methods/shared/methodFacts.ts";
import { filePrefix } from "../model/adapter/adapter.ts";
import type { Matrix } from "./productFactors.ts";

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

/** Reads an f32 matrix into host memory. */
export async function inHost(t: Tensor): Promise<Matrix> {
  const [rows, columns] = t.shape;
  return { values: (await t.data()) as Float32Array, rows, columns };
}
