import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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
export async function writeUnbundled(user: string, outDir: string): Promise<string[]> {
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
