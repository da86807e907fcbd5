import { linearInt8 } from "../ops/products/linearInt8.ts";
import { setInt8Matmul } from "../ops/products/linearWithInt8Activations.ts";

/**
 * Loads the code that `linearWithInt8Activations` needs. `packedTensor` does this too, so it is needed only for packed
 * weights that were created otherwise, such as by `quantize4bit`.
 */
export function enableInt8Activations(): void {
  setInt8Matmul(linearInt8);
}
