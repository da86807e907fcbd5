// Bundles `lowrank` with all that it imports into dist/standalone.js, before the package is packed:
// one file for Web Workers of pages without a bundler, which import maps do not reach. What asks
// the Hugging Face hub is a second file, which only hf:// addresses load. Without arguments, from
// packages/lowrank.
import { join } from "node:path";
import { build } from "esbuild";
import { bundleHub } from "./bundleHub.ts";

const lowrank = join(import.meta.dirname, "../packages/lowrank");
const hub = "./standaloneHub.js";

await build({
  absWorkingDir: lowrank,
  entryPoints: ["src/standalone.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2023",
  outfile: "dist/standalone.js",
  plugins: [
    {
      name: "hub beside it",
      setup: ({ onResolve }) => onResolve({ filter: /\/hubLibrary\.ts$/ }, () => ({ path: hub, external: true })),
    },
  ],
});
await bundleHub(join(lowrank, "dist", hub));
