import { createRequire } from "node:module";

/**
 * The Node 26 that the bench package has where there is one for the platform; undefined,
 * after a notice, elsewhere.
 */
export function findNode26(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve("node-26/bin/node");
  } catch {
    console.log("absent: wide SIMD (the package node-26 is not installed: it is for linux-x64)");
    return undefined;
  }
}
