// Bundles `lowrank` with all that it imports into dist/standalone.js, before the package is packed:
// one file for Web Workers of pages without a bundler, which import maps do not reach. Without
// arguments, from packages/lowrank.
import { join } from "node:path";
import { build } from "esbuild";

const lowrank = join(import.meta.dirname, "../packages/lowrank");

await build({
  absWorkingDir: lowrank,
  entryPoints: ["src/standalone.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2023",
  outfile: "dist/standalone.js",
});
