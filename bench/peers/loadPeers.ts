import type { GemmPeer } from "./gemmPeer.ts";

/** Functions that import the modules of peers, by package name. */
export type PeerLoaders<Peer> = Readonly<Record<string, () => Promise<{ load: () => Promise<Peer> }>>>;

const onWasm: PeerLoaders<GemmPeer> = {
  "@tensorflow/tfjs-backend-wasm": () => import("./tfjs.ts"),
  "onnxruntime-web": () => import("./onnxruntime.ts"),
  "@jax-js/jax": () => import("./jaxJs.ts"),
};

/**
 * Loads the libraries that a JavaScript user would use instead, by default matrix products on one thread each. Prints a
 * line with the reason for each one that cannot be loaded.
 */
export async function loadPeers(): Promise<GemmPeer[]>;
export async function loadPeers<Peer>(loaders: PeerLoaders<Peer>): Promise<Peer[]>;
export async function loadPeers(loaders: PeerLoaders<unknown> = onWasm): Promise<unknown[]> {
  const peers: unknown[] = [];
  for (const [name, load] of Object.entries(loaders)) {
    try {
      peers.push(await (await load()).load());
    } catch (error) {
      console.log(`absent: ${name} could not be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }
  return peers;
}
