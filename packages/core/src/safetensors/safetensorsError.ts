/** Thrown for an invalid safetensors file or index, and for tensors that cannot be written into one. */
export class SafetensorsError extends Error {
  override name = "SafetensorsError";
}
