import { linearInt8 } from "../ops/products/linearInt8.ts";
import { setInt8Matmul } from "../ops/products/linearWithInt8Activations.ts";

/**
 * Registers the op that `linearWithInt8Activations` calls. `packedTensor` does this too, so it is needed only for
 * weights from other functions.
 */
export function enableInt8Activations(): void {
  setInt8Matmul(linearInt8);
}
