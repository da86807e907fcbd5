import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { samplePage } from "@lowrank/test-support/serveFolder";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { build as esbuild } from "esbuild";
import { rollup } from "rollup";
import { createLogger, build as viteBuild } from "vite";
import { build as newestViteBuild } from "vite-newest";
import webpack from "webpack";

const docs = join(import.meta.dirname, "../../docs/bundlers.md");

/** Returns the import map in the documentation, and the element that contains it. */
function documentedMap(): { map: { imports: Record<string, string> }; element: string } {
  const found = /<script type="importmap">(.*?)<\/script>/s.exec(readFileSync(docs, "utf8"));
  if (!found) throw new Error(`${docs} shows no import map`);
  return { map: JSON.parse(found[1]), element: found[0] };
}

/**
 * Copies the sample unbundled, with the documentation's import map for the page. Its Workers, to which import maps do
 * not apply, use the standalone file.
 */
async function writeUnbundled(user: string, outDir: string): Promise<string[]> {
  mkdirSync(join(outDir, "worker"), { recursive: true });
  const { map, element } = documentedMap();
  for (const path of Object.values(map.imports)) {
    const [, folder] = /^\/(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    if (folder === undefined) throw new Error(`${docs}: ${path} lies in no package of node_modules`);
    cpSync(join(user, folder), join(outDir, folder), { recursive: true });
  }
  for (const name of ["app.js", "runEngine.js"]) cpSync(join(user, name), join(outDir, name));
  const sample = (name: string) => readFileSync(join(user, name), "utf8");
  for (const name of ["app.js", "appWorker.js", "engine.js"]) {
    const text = sample(name).replace(/"lowrank(\/worker)?"/, '"/node_modules/lowrank/dist/standalone.js"');
    writeFileSync(join(outDir, "worker", name), text);
  }
  writeFileSync(join(outDir, "page.js"), sample("page.js").replace(/\.\/(appWorker|engine)\.js/g, "./worker/$1.js"));
  writeFileSync(
    join(outDir, "index.html"),
    `<!doctype html><meta charset="utf-8">${element}<script type="module" src="./page.js"></script>`,
  );
  return [];
}

/** Builds the sample app in `user` for production into `outDir`; returns the warnings. */
export type Bundle = (user: string, outDir: string) => Promise<string[]>;

/** The scripts of the sample from which a page or a Worker starts. */
const entries = { page: "page.js", appWorker: "appWorker.js", engine: "engine.js" };

/** The scripts of a page that starts no Worker. */
const pageAlone = { page: "page.js" };

async function bundleWithVite(user: string, outDir: string, vite = viteBuild): Promise<string[]> {
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  const customLogger = { ...createLogger("error"), warn, warnOnce: warn };
  // Slow plugins on a busy machine are not a problem of the app.
  const rolldownOptions = { checks: { pluginTimings: false, bundlerTimings: false } };
  const build = { outDir, emptyOutDir: true, rolldownOptions };
  await vite({ root: user, configFile: false, logLevel: "warn", customLogger, build });
  return warnings;
}

async function bundleWithRollup(user: string, outDir: string): Promise<string[]> {
  const warnings: string[] = [];
  const bundle = await rollup({
    input: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(user, file)])),
    plugins: [nodeResolve({ browser: true })],
    onLog: (_, { message }) => void warnings.push(message),
  });
  await bundle.write({ dir: outDir, format: "es", entryFileNames: "[name].js" });
  await bundle.close();
  writeFileSync(join(outDir, "index.html"), samplePage);
  return warnings;
}

async function bundleWithWebpack(user: string, outDir: string): Promise<string[]> {
  // Webpack detects the sample's Workers by `new Worker(new URL(...))`.
  const compiler = webpack({
    mode: "production",
    context: user,
    entry: { page: "./page.js" },
    output: { path: outDir, filename: "[name].js" },
    // Disables webpack's advice about sizes, which suits pages that are mostly text; `pageSizes.ts` has our limits.
    performance: { hints: false },
  });
  const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
    compiler.run((error, result) => (error ? reject(error) : resolve(result)));
  });
  await new Promise((resolve) => compiler.close(resolve));
  writeFileSync(join(outDir, "index.html"), samplePage);
  const { errors = [], warnings = [] } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
  return [...errors, ...warnings].map(({ message }) => message);
}

async function bundleWithEsbuild(
  user: string,
  outDir: string,
  entryPoints: Readonly<Record<string, string>> = entries,
): Promise<string[]> {
  const { warnings } = await esbuild({
    absWorkingDir: user,
    entryPoints,
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    outdir: outDir,
    logLevel: "silent",
  });
  writeFileSync(join(outDir, "index.html"), samplePage);
  return warnings.map(({ text }) => text);
}

/** The bundlers whose pages are measured, with the settings in `docs/bundlers.md`. */
export const weighedBundlers = {
  Vite: (user, outDir) => bundleWithVite(user, outDir),
  "newest Vite": (user, outDir) => bundleWithVite(user, outDir, newestViteBuild as unknown as typeof viteBuild),
  webpack: bundleWithWebpack,
  esbuild: (user, outDir) => bundleWithEsbuild(user, outDir, pageAlone),
} satisfies Readonly<Record<string, Bundle>>;

/** The ways to build the sample for a browser, by name. */
export const bundlers: Readonly<Record<string, Bundle>> = {
  Vite: (user, outDir) => bundleWithVite(user, outDir),
  Rollup: bundleWithRollup,
  webpack: bundleWithWebpack,
  esbuild: (user, outDir) => bundleWithEsbuild(user, outDir),
  "an import map": writeUnbundled,
};
