import { refuseOptions, refuseSurplus } from "../engine/op.ts";
import type { Tensor } from "../engine/tensor.ts";

/** Throws if both operands are numbers, or if further arguments follow them. */
export function checkOperands(name: string, x: Tensor | number, y: Tensor | number, behind: readonly unknown[]): void {
  if (behind.length > 0) {
    refuseSurplus(name, 2, [x, y, ...behind]);
    refuseOptions(name, behind[0]);
  }
  if (typeof x === "number" && typeof y === "number") {
    throw new Error(`${name}: ${x} and ${y} are both numbers; one operand must be a tensor, as tensor(${x})`);
  }
}
