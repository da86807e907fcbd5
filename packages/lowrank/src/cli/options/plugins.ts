import { stat } from "node:fs/promises";
import module from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { optionsOf } from "@lowrank/peft";
import { Option } from "commander";
import { adapterMethods } from "../../report/methods.ts";
import { usualSettings } from "./adapterConfig.ts";
import { adapterFlags } from "./adapterFlags.ts";

/**
 * Returns the `--plugin` option, which all commands have. Plugins load before the commands are built, so that the
 * commands have the flags of registered methods.
 */
export function pluginOption(): Option {
  return new Option(
    "--plugin <file>",
    "ES module that registers custom methods or architectures, imported before the command runs; may be repeated",
  ).argParser((file, files: readonly string[] = []) => [...files, file]);
}

/** Returns the absolute paths of the `--plugin` files in a command line. */
export function pluginFiles(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  const words = end < 0 ? args : args.slice(0, end);
  return words.flatMap((word, i) => {
    if (word.startsWith("--plugin=")) return [resolve(word.slice("--plugin=".length))];
    return word === "--plugin" && i + 1 < words.length ? [resolve(words[i + 1])] : [];
  });
}

/**
 * Imports plugins one after the other. Their imports of Lowrank's packages resolve to the copies that this command
 * uses. Throws an error that names the file if it cannot be imported, or if a method that it registers has invalid
 * recipes or flags.
 */
export async function loadPlugins(files: readonly string[]): Promise<void> {
  for (const file of files) {
    shareOwnPackages();
    const found = await stat(file).catch(() => undefined);
    if (!found) throw new Error(`--plugin ${file}: there is no such file; give the path of an ES module`);
    if (!found.isFile()) throw new Error(`--plugin ${file} is a folder; give the module in it`);
    try {
      await import(pathToFileURL(file).href);
    } catch (error) {
      throw new Error(`--plugin ${file} cannot be read: ${reason(error)}`, { cause: error });
    }
    try {
      checkMethods();
    } catch (error) {
      throw new Error(`--plugin ${file}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/**
 * Makes imports of Lowrank's packages resolve to this command's copies. A plugin thus registers its methods in the
 * copies that the command uses. Later calls do nothing.
 */
let shareOwnPackages = (): void => {
  shareOwnPackages = () => undefined;
  if (module.registerHooks === undefined) {
    throw new Error(`--plugin needs Node 22.15 or later, and this is ${process.version}`);
  }
  module.registerHooks({
    resolve(specifier, context, nextResolve) {
      if (!/^(lowrank|@lowrank\/[^/]+)(\/|$)/.test(specifier)) return nextResolve(specifier, context);
      // Node modifies the `context` that it is given.
      const { parentURL } = context;
      try {
        return nextResolve(specifier, { ...context, parentURL: import.meta.url });
      } catch (error) {
        if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
        // The command does not depend on this package. It is installed next to the plugin; its own imports resolve to
        // the command's copies.
        return nextResolve(specifier, { ...context, parentURL });
      }
    },
  });
};

/** Returns the message of an error that a module threw on import, with advice on what to change. */
function reason(error: unknown): string {
  const { message = String(error), code } = (error ?? {}) as { message?: string; code?: string };
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[cm]?ts/.test(message)) {
    return `${process.version} runs no TypeScript; use Node 22.18 or later, or compile it to a .js file`;
  }
  if (code === "ERR_MODULE_NOT_FOUND") return `${message.split("\n")[0]}; install it next to the plugin`;
  return `${message}; correct the module`;
}

/**
 * Throws an error that names the method if a method's recipe creates another method's configuration, or if a flag sets
 * a field that the configuration lacks.
 */
function checkMethods(): void {
  adapterFlags();
  for (const { peft, name, config } of adapterMethods()) {
    const made = config(usualSettings);
    if (made.peftType !== peft.peftType) {
      throw new Error(
        `${peft.peftType}: its recipe ${name} makes a configuration of ${made.peftType}; return one of ${peft.peftType}`,
      );
    }
    for (const { flag, field } of optionsOf(peft)) {
      if (Object.hasOwn(made, field)) continue;
      throw new Error(
        `${peft.peftType}: its option --${flag} sets ${field}, and ${made.constructor.name} has no such field; name one that it has`,
      );
    }
  }
}
