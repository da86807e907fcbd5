import { relative } from "node:path";
import type { Plugin } from "vitest/config";

const testFile = /\.test\.ts$/;

/**
 * A Vite plugin that moves test files into a Web Worker. A test file loaded by the page is replaced by a few lines that
 * run the same file, requested with `?inWorker`, in the page's module Worker. They report each of its tests by name.
 */
export function insideWorker(root: string): Plugin {
  return {
    name: "lowrank:inside-worker",
    enforce: "pre",
    load(id) {
      const [path = "", query = ""] = id.split("?");
      if (!testFile.test(path) || query.includes("inWorker")) return;
      const url = `/${relative(root, path).replaceAll("\\", "/")}`;
      return `import { runInWorker } from "/tests/runner/browser/page.ts";\nawait runInWorker(${JSON.stringify(url)});\n`;
    },
  };
}
