import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { flatSources } from "./flatSources.ts";

/** Writes files to a new folder, and returns the function that reads them as one folder. */
function flat(files: Readonly<Record<string, string>>): (path: string) => string | null {
  const root = mkdtempSync(join(tmpdir(), "lowrank-flat-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return flatSources(root, "assembly");
}

it("a file has the same path and imports in every folder", () => {
  const source = (path: string) => `import { add } from "./${path}lanes";\nimport {\n  mul,\n} from "./${path}madd";\n`;
  const expected = source("");
  const lanes = { "assembly/simd/lanes.ts": "", "assembly/simd/madd.ts": "" };
  for (const [folder, path] of [
    ["assembly", "simd/"],
    ["assembly/simd", ""],
    ["assembly/integer/tiles", "../../simd/"],
  ]) {
    const read = flat({ ...lanes, [`${folder}/tile.ts`]: source(path) });
    expect(read("assembly/tile.ts")).toBe(expected);
    expect(read("assembly/lanes.ts")).toBe("");
    expect(read("assembly/simd/lanes.ts")).toBeNull();
  }
});

it("exports of another file are found too, and text that is no import stays", () => {
  const text = 'export * from "./gemm/gemm";\nconst path = "./gemm/gemm"; // from "./gemm/gemm"\n';
  const read = flat({ "assembly/index.ts": text });
  expect(read("assembly/index.ts")).toBe(text.replace("./gemm/gemm", "./gemm"));
});

it("two files of one name are refused", () => {
  const files = { "assembly/gemm/tile.ts": "", "assembly/integer/tile.ts": "" };
  expect(() => flat(files)).toThrow(/tile\.ts: another file of assembly\/ has this name; choose another one/);
});
