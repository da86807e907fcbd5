// pnpm api [--check]: writes a report of each public entry, packages/*/api/<entry>.gen.api.md, from the declarations
// that tsc has compiled. A change of the public API changes its report. With --check it only compares them.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { type CompilerState, Extractor, ExtractorConfig, type IConfigFile } from "@microsoft/api-extractor";
import type TypeScript from "typescript-5";

/** The compiler of API Extractor. Other versions cannot read its programs. */
const ts: typeof TypeScript = createRequire(createRequire(import.meta.url).resolve("@microsoft/api-extractor"))(
  "typescript",
);
const root = resolve(import.meta.dirname, "../..");
const check = process.argv.includes("--check");

/** Entries that only repeat others, and a script without exports. */
const unreported = [
  "@lowrank/core/functions",
  "lowrank/standalone",
  "lowrank/testing",
  "lowrank/testing/fast-check",
  "lowrank/testing/jest",
  "lowrank/testing/vitest",
  "@lowrank/wasm/worker",
];
const isReported = (name: string): boolean => !unreported.includes(name) && !name.includes("/internal");

interface Entry {
  readonly name: string;
  readonly manifest: string;
  /** Path of the compiled declarations. */
  readonly types: string;
  readonly report: string;
}

function publishedEntries(): Entry[] {
  return globSync("packages/*/package.json", { cwd: root })
    .sort()
    .flatMap((path) => {
      const manifest = join(root, path);
      const { name, publishConfig } = JSON.parse(readFileSync(manifest, "utf8"));
      return Object.entries<{ types: string }>(publishConfig.exports).map(([key, { types }]) => ({
        name: name + key.slice(1),
        manifest,
        types: join(dirname(manifest), types),
        report: join(dirname(manifest), "api", `${key === "." ? "index" : key.slice(2)}.gen.api.md`),
      }));
    });
}

/** Compiles the declarations of all entries. They import each other's published declarations, not the sources. */
function programOf(entries: readonly Entry[]): TypeScript.Program {
  const options: TypeScript.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ["node"],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const published = new Map(entries.map(({ name, types }) => [name, types]));
  const host = ts.createCompilerHost(options);
  host.resolveModuleNameLiterals = (literals, file, redirected, settings, source) =>
    literals.map((literal) => {
      const types = published.get(literal.text);
      if (types !== undefined) {
        const resolvedModule = { resolvedFileName: types, isExternalLibraryImport: true, extension: ts.Extension.Dts };
        return { resolvedModule };
      }
      const mode = ts.getModeForUsageLocation(source, literal, settings);
      return ts.resolveModuleName(literal.text, file, settings, host, undefined, redirected, mode);
    });
  return ts.createProgram([...published.values()], options, host);
}

const quiet = { default: { logLevel: "none" } };

/** Writes or compares the report of an entry. Returns true if it has changed. */
function report(entry: Entry, program: TypeScript.Program, temporary: string): boolean {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: entry.manifest,
    configObject: {
      projectFolder: dirname(entry.manifest),
      mainEntryPointFilePath: entry.types,
      newlineKind: "lf",
      compiler: { overrideTsconfig: {} },
      apiReport: {
        enabled: true,
        reportFileName: basename(entry.report, ".api.md"),
        reportFolder: dirname(entry.report),
        reportTempFolder: temporary,
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: { compilerMessageReporting: quiet, extractorMessageReporting: quiet, tsdocMessageReporting: quiet },
    } as unknown as IConfigFile,
  });
  if (!check) mkdirSync(dirname(entry.report), { recursive: true });
  const { apiReportChanged } = Extractor.invoke(config, {
    localBuild: !check,
    compilerState: { program } as unknown as CompilerState,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  return apiReportChanged;
}

const entries = publishedEntries();
const reported = entries.filter(({ name }) => isReported(name));
const expected = new Set(reported.map((entry) => entry.report));
const stale = globSync("packages/*/api/*.gen.api.md", { cwd: root }).filter((path) => !expected.has(join(root, path)));
const temporary = mkdtempSync(join(tmpdir(), "lowrank-api-"));
const program = programOf(entries);
const changed = reported.filter((entry) => report(entry, program, temporary)).map(({ name }) => name);
rmSync(temporary, { recursive: true });
if (!check) for (const path of stale) rmSync(join(root, path));
else if (changed.length + stale.length > 0) {
  throw new Error(
    `writeReports: the API reports of ${[...changed, ...stale].join(", ")} are out of date; run pnpm api`,
  );
}
console.log(`writeReports: ${reported.length} entries, ${changed.length} changed`);
