import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Supported compilers, as packages of this repository. */
const compilers = { "TypeScript 7": "typescript", "TypeScript 5.9": "typescript-5" };

/** The module resolution settings of Node and of bundlers. */
const resolutions = {
  NodeNext: { module: "nodenext", moduleResolution: "nodenext" },
  Bundler: { module: "esnext", moduleResolution: "bundler" },
};

/** The global declarations of a program: with the DOM, or only Node's. */
export const environments = {
  "with DOM": { lib: ["es2023", "dom", "dom.iterable"], types: [] },
  "without DOM": { lib: ["es2023"], types: ["node"] },
};

/** A program that imports every entry of every package. */
const wholeProgram = `
import * as lowrank from "lowrank";
import * as lowrankTesting from "lowrank/testing";
import * as core from "@lowrank/core";
import * as backend from "@lowrank/core/backend";
import * as functions from "@lowrank/core/functions";
import * as coreInternal from "@lowrank/core/internal";
import * as files from "@lowrank/files";
import * as filesInternal from "@lowrank/files/internal";
import * as models from "@lowrank/models";
import * as modelsInternal from "@lowrank/models/internal";
import * as nano from "@lowrank/nano";
import * as nn from "@lowrank/nn";
import * as nnInternal from "@lowrank/nn/internal";
import * as peft from "@lowrank/peft";
import * as peftInternal from "@lowrank/peft/internal";
import * as testing from "@lowrank/testing";
import * as train from "@lowrank/train";
import * as trainInternal from "@lowrank/train/internal";
import * as wasm from "@lowrank/wasm";
import * as webgpu from "@lowrank/webgpu";

const internal = [coreInternal, filesInternal, modelsInternal, nnInternal, peftInternal, trainInternal];
export const all = [lowrank, core, backend, functions, files, models, nano, nn, peft, testing, lowrankTesting, train, wasm, webgpu, ...internal];
export async function sum(): Promise<number> {
  await lowrank.init(lowrank.wasm());
  const config: lowrank.PeftConfig = new lowrank.LoraConfig({ r: 8 });
  const made: lowrank.Tensor = functions.tensor([1, 2]);
  return config.peftType.length + (await made.sum().item());
}
`;

/** A program with tensors without chained methods, to which no declaration may add them. */
const programOfFunctions = `
import { init, sum, tensor } from "@lowrank/core/functions";
import { wasm } from "@lowrank/wasm";

export async function total(): Promise<number> {
  await init(wasm());
  const row = tensor([1, 2]);
  // @ts-expect-error: the entry of functions has no methods.
  row.sum;
  // @ts-expect-error: nor their properties.
  row.T;
  return sum(row).item();
}
`;

/** The programs, each compiled separately, so that declarations of one do not affect another. */
export const programs = { "all entries": wholeProgram, "functions alone": programOfFunctions };

/** The name of a combination of settings, and its problems. */
export interface TypesChecked {
  readonly name: string;
  readonly problems: string[];
}

/**
 * Type-checks programs on the packages installed in `user`, including their declarations, in every combination of
 * compiler, resolution and environment.
 */
export function checkTypes(user: string, root: string): TypesChecked[] {
  const checked: TypesChecked[] = [];
  const folder = join(user, "types");
  mkdirSync(folder);
  for (const [title, program] of Object.entries(programs)) {
    writeFileSync(join(folder, "program.ts"), program);
    for (const [compiler, name] of Object.entries(compilers)) {
      const tsc = join(root, "node_modules", name, "bin", "tsc");
      for (const [resolution, found] of Object.entries(resolutions)) {
        for (const [environment, declared] of Object.entries(environments)) {
          const typeRoots = [join(root, "node_modules/@types")];
          const compilerOptions = { ...found, ...declared, typeRoots, target: "es2022", strict: true };
          const config = {
            compilerOptions: { ...compilerOptions, skipLibCheck: false, noEmit: true },
            include: ["*.ts"],
          };
          writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
          const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
            encoding: "utf8",
          });
          const problems = status === 0 ? [] : stdout.trim().split("\n").slice(0, 8);
          checked.push({ name: `types of ${title}, ${compiler}, ${resolution}, ${environment}`, problems });
        }
      }
    }
  }
  return checked;
}
