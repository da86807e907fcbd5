import { linearInt8 } from "../ops/products/linearInt8.ts";
import { setInt8Matmul } from "../ops/products/linearWithInt8Activations.ts";

/** Brings the op that `linearWithInt8Activations` calls, for weights that no `packedTensor` made. */
export function enableInt8Activations(): void {
  setInt8Matmul(linearInt8);
}
