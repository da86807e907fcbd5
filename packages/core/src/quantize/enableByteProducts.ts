import { knowIntegerProduct } from "../ops/products/integerLinear.ts";
import { linearInt8 } from "../ops/products/linearInt8.ts";

/** Brings the op that `integerLinear` calls, for weights that no `packedTensor` made. */
export function enableByteProducts(): void {
  knowIntegerProduct(linearInt8);
}
