// Bundles the used part of @huggingface/hub into dist/hub/hubLibrary.js of packages/files, before the package is
// packed. It uses the library's build for pages, which imports no Node module and also runs in Node. An installed copy
// of the library would take seven megabytes, and esbuild and import maps would give pages its build for Node. Run it
// without arguments, from packages/files.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const files = join(import.meta.dirname, "../../packages/files");

/** Writes the bundle to a file. */
export async function bundleHub(outfile: string): Promise<void> {
  const library = join(files, "node_modules/@huggingface/hub");
  const { version, license }: Record<string, string> = JSON.parse(readFileSync(join(library, "package.json"), "utf8"));
  await build({
    entryPoints: [join(files, "src/hub/hubLibrary.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    alias: { "@huggingface/hub": join(library, "dist/browser/index.mjs") },
    banner: { js: `/*! @huggingface/hub ${version}, Copyright (c) Hugging Face, ${license} licence */` },
    outfile,
    allowOverwrite: true,
  });
}

if (process.argv[1] === import.meta.filename) await bundleHub(join(files, "dist/hub/hubLibrary.js"));
