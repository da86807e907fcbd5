import type { GemmPeer } from "./gemmPeer.ts";

const loaders: Record<string, () => Promise<{ load: () => Promise<GemmPeer> }>> = {
  "@tensorflow/tfjs-backend-wasm": () => import("./tfjs.ts"),
  "onnxruntime-web": () => import("./onnxruntime.ts"),
  "@jax-js/jax": () => import("./jaxJs.ts"),
};

/**
 * Loads the libraries that a JavaScript user would pick instead, on one thread each. Prints a line
 * for each that cannot be loaded, with the reason.
 */
export async function loadPeers(): Promise<GemmPeer[]> {
  const peers: GemmPeer[] = [];
  for (const [name, load] of Object.entries(loaders)) {
    try {
      peers.push(await (await load()).load());
    } catch (error) {
      console.log(`absent: ${name} could not be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }
  return peers;
}
