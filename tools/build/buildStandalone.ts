// Bundles `lowrank` with all its imports into dist/standalone.js, before the package is packed. This one file is for
// Web Workers of pages without a bundler, since import maps do not apply to Workers. The Hugging Face hub's client is a
// second file, which only hf:// addresses load. Run it without arguments, from packages/lowrank.
import { join } from "node:path";
import { build } from "esbuild";
import { bundleHub } from "./bundleHub.ts";

const lowrank = join(import.meta.dirname, "../../packages/lowrank");
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
