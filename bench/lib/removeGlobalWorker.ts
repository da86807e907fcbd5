/**
 * Removes the global Worker that tfjs and onnxruntime-web define in Node: jax-js takes it
 * for a browser's and fails.
 */
export function removeGlobalWorker(): void {
  Reflect.deleteProperty(globalThis, "Worker");
}
