/**
 * Removes the global Worker that tfjs and onnxruntime-web define in Node. With it, jax-js assumes a browser and fails.
 */
export function removeGlobalWorker(): void {
  Reflect.deleteProperty(globalThis, "Worker");
}
