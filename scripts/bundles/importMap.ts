import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";

type Exports = string | { readonly [condition: string]: Exports };

/** Returns the file that a page gets of a package's exports. */
function browserFile(exports: Exports): string | undefined {
  if (typeof exports === "string") return exports;
  for (const condition of ["module", "browser", "import", "default"]) {
    const found = condition in exports ? browserFile(exports[condition]) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the folders of all packages that are installed in `modules`, by name. */
function installed(modules: string): string[] {
  return readdirSync(modules).flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(modules, name)).map((own) => `${name}/${own}`) : [name],
  );
}

/** Returns an import map of the packages `lowrank` needs, served from `/node_modules`. */
function importMap(user: string): { imports: Record<string, string> } {
  const imports: Record<string, string> = {};
  const modules = join(user, "node_modules");
  for (const name of installed(modules)) {
    const manifest = join(modules, name, "package.json");
    if (!existsSync(manifest)) continue;
    const { module, exports = module ? { ".": module } : {}, type } = JSON.parse(readFileSync(manifest, "utf8"));
    const isModule = type === "module" ? /\.m?js$/ : /\.mjs$/;
    for (const [entry, target] of Object.entries<Exports>(exports)) {
      const file = browserFile(target);
      if (file !== undefined && isModule.test(file)) {
        imports[posix.join(name, entry)] = posix.join("/node_modules", name, file);
      }
    }
  }
  return { imports };
}

/**
 * Lays the sample out as it is, with an import map for the page; its Workers, which no map reaches,
 * take the standalone file.
 */
export async function writeUnbundled(user: string, outDir: string): Promise<string[]> {
  mkdirSync(join(outDir, "worker"), { recursive: true });
  const map = importMap(user);
  for (const name of installed(join(user, "node_modules"))) {
    const used = Object.keys(map.imports).some((entry) => entry === name || entry.startsWith(`${name}/`));
    if (used) cpSync(join(user, "node_modules", name), join(outDir, "node_modules", name), { recursive: true });
  }
  cpSync(join(user, "app.js"), join(outDir, "app.js"));
  const sample = (name: string) => readFileSync(join(user, name), "utf8");
  const standalone = JSON.stringify(map.imports["lowrank/standalone"]);
  for (const name of ["app.js", "appWorker.js", "engine.js"]) {
    writeFileSync(join(outDir, "worker", name), sample(name).replace(/"lowrank(\/worker)?"/, standalone));
  }
  writeFileSync(join(outDir, "page.js"), sample("page.js").replace(/\.\/(appWorker|engine)\.js/g, "./worker/$1.js"));
  writeFileSync(
    join(outDir, "index.html"),
    `<!doctype html><meta charset="utf-8"><script type="importmap">${JSON.stringify(map)}</script><script type="module" src="./page.js"></script>`,
  );
  return [];
}
