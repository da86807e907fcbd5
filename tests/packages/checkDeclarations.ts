import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { environments, programs } from "./checkTypes.ts";

interface Manifest {
  readonly name: string;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, { readonly types: string }>> };
}

/** Returns the declaration file of each published entry by its import path, as the `paths` of a tsconfig. */
function declarationsOf(root: string): Record<string, string[]> {
  const paths: Record<string, string[]> = {};
  for (const file of globSync("packages/*/package.json", { cwd: root })) {
    const { name, publishConfig }: Manifest = JSON.parse(readFileSync(join(root, file), "utf8"));
    for (const [entry, { types }] of Object.entries(publishConfig?.exports ?? {})) {
      paths[join(name, entry)] = [join(root, file, "..", types)];
    }
  }
  return paths;
}

/**
 * Type-checks the declarations in `dist` as users' compilers do, with the DOM and without it. It finds a public type
 * that needs Node, WebAssembly or WebGPU in an entry that must not. `pnpm check:packages` checks the same on packed
 * archives, with every compiler and resolution.
 */
function checkDeclarations(root: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), "lowrank-declarations-"));
  const problems: string[] = [];
  try {
    for (const [title, program] of Object.entries(programs)) {
      writeFileSync(join(folder, "program.ts"), program);
      for (const [environment, declared] of Object.entries(environments)) {
        const compilerOptions = {
          ...{ module: "esnext", moduleResolution: "bundler", target: "es2022", strict: true, noEmit: true },
          ...{ skipLibCheck: false, typeRoots: [join(root, "node_modules/@types")], paths: declarationsOf(root) },
          ...declared,
        };
        writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
        const tsc = join(root, "node_modules/typescript/bin/tsc");
        const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
          cwd: root,
          encoding: "utf8",
        });
        if (status !== 0) problems.push(`types of ${title}, ${environment}:`, ...stdout.trim().split("\n").slice(0, 8));
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return problems;
}

const problems = checkDeclarations(resolve(import.meta.dirname, "../.."));
for (const problem of problems) console.error(problem);
console.log(`checkDeclarations: ${problems.length === 0 ? "no problems" : "failed"}`);
if (problems.length > 0) process.exitCode = 1;
