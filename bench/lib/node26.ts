import { createRequire } from "node:module";

/** Returns the path of the bench package's Node 26; undefined, after a notice, if there is none for this platform. */
export function findNode26(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve("node-26/bin/node");
  } catch {
    console.log("absent: wide SIMD (the package node-26 is not installed: it is for linux-x64)");
    return undefined;
  }
}
