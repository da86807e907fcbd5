import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { packages } from "./packages.ts";

/** The entry for backends, whose kernels must not bring ops into a bundle. */
const backendEntry = "packages/core/src/forBackends.ts";

/** Entries for other packages of the repository. Pages import them without the chained methods of tensors. */
const internalEntry = /^packages\/[^/]+\/src\/internal\.ts$/;
const methods = "packages/core/src/methods.ts";
const definesOp = (source = ""): boolean => /^export const \w+: Op<.*defineOp/m.test(source);

const statement =
  /^\s*(?:import|export)\b(\s+type\b)?[^;'"`]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
const isTest = (path: string): boolean => path.endsWith(".test.ts");
const packageOf = (path: string): string | undefined => /^packages\/([^/]+)\//.exec(path)?.[1];

interface Import {
  target: string;
  isType: boolean;
}

function importsOf(source: string): Import[] {
  return [...source.matchAll(statement)].map(([, type, from, bare, dynamic]) => {
    return { target: (from ?? bare ?? dynamic) as string, isType: type !== undefined };
  });
}

/**
 * Returns every breach of the import rules, one sentence each; `files` maps paths from the repository root to sources.
 */
export function checkImports(files: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const values = new Map<string, string[]>();
  for (const [path, source] of files) {
    const imports = importsOf(source);
    for (const { target } of imports) {
      const problem = breach(path, target);
      if (problem !== undefined) problems.push(`${path}: ${problem}`);
    }
    if (isTest(path) || !path.startsWith("packages/")) continue;
    const valueImports = imports.filter(({ target, isType }) => !isType && target.startsWith("."));
    values.set(
      path,
      valueImports.map(({ target }) => join(dirname(path), target)),
    );
  }
  for (const path of values.keys()) problems.push(...checkReach(path, values, files));
  return [...problems, ...checkMethodNames(files)];
}

/** True for an import of a package, of tests/ or of tools/ from another folder. Suites and tools are not shared. */
function leavesFolder(path: string, landing: string): boolean {
  const folder = (file: string) => /^(packages|tests\/support|tests|tools)\//.exec(file)?.[1];
  const isShared = /^packages\/[^/]+\/src\/testing\//.test(landing);
  return folder(landing) !== undefined && folder(landing) !== folder(path) && !isShared;
}

function breach(path: string, target: string): string | undefined {
  const own = packageOf(path);
  if (target.startsWith(".")) {
    const landing = join(dirname(path), target);
    const strays = path.startsWith("assembly/") && !landing.startsWith("assembly/");
    if (strays) return `a kernel may not import "${target}"`;
    const leaves = own !== undefined ? !landing.startsWith(`packages/${own}/src/`) : leavesFolder(path, landing);
    return leaves ? `imports "${target}" from outside its folder; import the package by its name` : undefined;
  }
  if (/^(@lowrank\/[^/]+|lowrank)\/(src|dist)\b/.test(target))
    return `imports "${target}"; only public exports may be used`;
  if (own === undefined || isTest(path)) return undefined;
  const allowed = packages[own]?.imports;
  if (allowed === undefined) return `packages/${own} has no row in the table of tools/check/checkImports.ts`;
  const other = target === "lowrank" ? "lowrank" : /^@lowrank\/([^/]+)/.exec(target)?.[1];
  if (other === undefined) return own === "core" ? `core may import nothing, but imports "${target}"` : undefined;
  if (allowed.includes(other)) return undefined;
  return `${own} may not import ${other} (only ${allowed.join(", ") || "nothing"})`;
}

function checkReach(
  start: string,
  values: ReadonlyMap<string, readonly string[]>,
  files: ReadonlyMap<string, string>,
): string[] {
  const problems: string[] = [];
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const next of values.get(path) ?? []) {
      if (next === start) problems.push(`${start}: a cycle of imports: ${trail(path, start, cameFrom)} -> ${start}`);
      if (next === start || cameFrom.has(next)) continue;
      cameFrom.set(next, path);
      queue.push(next);
      if (internalEntry.test(start) && next === methods) {
        problems.push(`${start}: reaches the methods of tensors: ${trail(next, start, cameFrom)}`);
      }
      if (start === backendEntry && definesOp(files.get(next))) {
        problems.push(`${start}: reaches the op in ${next}: ${trail(next, start, cameFrom)}; export its type only`);
      }
    }
  }
  return problems;
}

/** The folder of PEFT methods: only code there may depend on a particular method. */
const methodsFolder = "packages/peft/src/methods/";

/**
 * Finds generic code that depends on a particular PEFT method: by the class of its configuration, its name, or the
 * method itself. Such code must use a property of the method (`MethodFacts`), so that custom methods are treated the
 * same as the methods of the library.
 */
function checkMethodNames(files: ReadonlyMap<string, string>): string[] {
  const own = [...files].flatMap(([path, source]) => (path.startsWith(methodsFolder) && !isTest(path) ? [source] : []));
  const declared = (declaration: RegExp): string =>
    own.flatMap((source) => [...source.matchAll(declaration)].map(([, name]) => name)).join("|") || "(?!)";
  const configs = declared(/^export class (\w+Config) extends/gm);
  const methods = declared(/^export const (\w+): (?:Peft|Prompt)Method</gm);
  const type = String.raw`(?:\.peftType|\bpeftType|\.peft_type|\bpeft_type)`;
  const asked = new RegExp(
    [
      String.raw`\binstanceof (?:${configs})\b`,
      String.raw`${type}\)? *[!=]==? *["'\`]`,
      String.raw`["'\`] *[!=]==? *[\w.?!()[\]]*${type}`,
      String.raw`\bswitch \([\w.?!()]*${type}`,
      String.raw`[!=]==? *(?:${methods})\b(?!\.|\()`,
    ].join("|"),
    "g",
  );
  return [...files].flatMap(([path, source]) => {
    const generic = /^packages\/[^/]+\/src\//.test(path) && !path.startsWith(methodsFolder) && !isTest(path);
    if (!generic) return [];
    const code = source.replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, "");
    return [...code.matchAll(asked)].map(
      ([found]) => `${path}: "${found.trim()}" asks for a particular method; ask a fact of the method (MethodFacts)`,
    );
  });
}

function trail(end: string, start: string, cameFrom: ReadonlyMap<string, string>): string {
  const steps = [end];
  for (let at = end; at !== start; ) {
    at = cameFrom.get(at) as string;
    steps.unshift(at);
  }
  return steps.join(" -> ");
}

function checkDependencies(root: string): string[] {
  return Object.entries(packages).flatMap(([name, { imports: allowed }]) => {
    const manifest = join(root, "packages", name, "package.json");
    if (!existsSync(manifest))
      return [`packages/${name}: is in the table of tools/check/checkImports.ts but does not exist`];
    const { dependencies = {} }: { dependencies?: Record<string, string> } = JSON.parse(readFileSync(manifest, "utf8"));
    const ours = Object.keys(dependencies).filter((key) => key === "lowrank" || key.startsWith("@lowrank/"));
    return ours
      .filter((key) => !allowed.includes(key.replace("@lowrank/", "")))
      .map((key) => `packages/${name}/package.json: may not depend on ${key}`);
  });
}

if (process.argv[1] === import.meta.filename) {
  const root = resolve(import.meta.dirname, "../..");
  const patterns = [
    "packages/*/src/**/*.ts",
    "assembly/**/*.ts",
    "bench/**/*.ts",
    "conformance/**/*.ts",
    "tests/**/*.ts",
    "tools/**/*.ts",
  ];
  const paths = globSync(patterns, { cwd: root, exclude: ["**/node_modules/**"] }).map((path) =>
    path.replaceAll("\\", "/"),
  );
  const files = new Map(paths.sort().map((path) => [path, readFileSync(join(root, path), "utf8")]));
  const problems = [...checkImports(files), ...checkDependencies(root)];
  for (const problem of problems) console.error(problem);
  console.log(`checkImports: ${files.size} files, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
