import { knowIntegerProduct } from "./integerLinear.ts";
import { linearInt8 } from "./ops/linearInt8.ts";

/** Brings the op that `integerLinear` calls, for weights that no `packedTensor` made. */
export function enableByteProducts(): void {
  knowIntegerProduct(linearInt8);
}
