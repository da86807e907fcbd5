import type { WindowParams } from "./windowPlan.ts";

/** Throws if the padding is more than half of a window, which might then contain only padding. */
export function checkPadding(op: string, { kernelSize, padding }: WindowParams): void {
  if (padding.every((size, axis) => size <= kernelSize[axis] / 2)) return;
  throw new Error(
    `${op}: padding ${padding.join(" x ")} is more than half of kernelSize ${kernelSize.join(" x ")}; give less padding`,
  );
}
