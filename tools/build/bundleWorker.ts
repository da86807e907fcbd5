import { join } from "node:path";
import { build } from "esbuild";

/** Returns the script of the wasm backend's workers, bundled and minified. */
export async function bundleWorker(): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: join(import.meta.dirname, "../.."),
    entryPoints: ["packages/wasm/src/threads/worker.ts"],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    write: false,
  });
  return outputFiles[0].text.trimEnd();
}
