/** What is wrong with a safetensors file, its index, or the tensors to be written into one. */
export class SafetensorsError extends Error {
  override name = "SafetensorsError";
}
