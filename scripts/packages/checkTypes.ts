import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The compilers that users have, as packages of this repository. */
const compilers = { "TypeScript 7": "typescript", "TypeScript 5.9": "typescript-5" };

/** The settings by which packages are found: those of Node, and those of bundlers. */
const resolutions = {
  NodeNext: { module: "nodenext", moduleResolution: "nodenext" },
  Bundler: { module: "esnext", moduleResolution: "bundler" },
};

/** The declarations that a program starts from: those of a page, or those of Node alone. */
const environments = {
  "with DOM": { lib: ["es2023", "dom", "dom.iterable"], types: [] },
  "without DOM": { lib: ["es2023"], types: ["node"] },
};

/** A program that imports every entry of every package. */
const program = `
import * as lowrank from "lowrank";
import * as core from "@lowrank/core";
import * as backend from "@lowrank/core/backend";
import * as files from "@lowrank/files";
import * as models from "@lowrank/models";
import * as nano from "@lowrank/nano";
import * as nn from "@lowrank/nn";
import * as peft from "@lowrank/peft";
import * as train from "@lowrank/train";
import * as wasm from "@lowrank/wasm";

export const all = [lowrank, core, backend, files, models, nano, nn, peft, train, wasm];
export async function sum(): Promise<number> {
  await lowrank.init(lowrank.wasm());
  const config: lowrank.PeftConfig = new lowrank.LoraConfig({ r: 8 });
  return config.peftType.length + (await lowrank.tensor([1, 2]).sum().item());
}
`;

/** The name of a way of compiling, and the problems that it finds. */
export interface TypesChecked {
  readonly name: string;
  readonly problems: string[];
}

/**
 * Type-checks a program on the packages installed in `user`, their declarations included, in every
 * combination of compiler, resolution and environment.
 */
export function checkTypes(user: string, root: string): TypesChecked[] {
  const checked: TypesChecked[] = [];
  const folder = join(user, "types");
  mkdirSync(folder);
  writeFileSync(join(folder, "program.ts"), program);
  for (const [compiler, name] of Object.entries(compilers)) {
    for (const [resolution, found] of Object.entries(resolutions)) {
      for (const [environment, declared] of Object.entries(environments)) {
        const typeRoots = [join(root, "node_modules/@types")];
        const compilerOptions = { ...found, ...declared, typeRoots, target: "es2022", strict: true };
        const config = {
          compilerOptions: { ...compilerOptions, skipLibCheck: false, noEmit: true },
          include: ["*.ts"],
        };
        writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
        const tsc = join(root, "node_modules", name, "bin", "tsc");
        const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
          encoding: "utf8",
        });
        const problems = status === 0 ? [] : stdout.trim().split("\n").slice(0, 8);
        checked.push({ name: `types, ${compiler}, ${resolution}, ${environment}`, problems });
      }
    }
  }
  return checked;
}
