import { linearInt8 } from "../ops/products/linearInt8.ts";
import { setInt8Matmul } from "../ops/products/linearWithInt8Activations.ts";

/**
 * Registers the op that `linearWithInt8Activations` calls. `packedTensor` does this too, so call this function only for
 * packed weights that were created in another way, such as by `quantize4bit`.
 */
export function enableInt8Activations(): void {
  setInt8Matmul(linearInt8);
}
