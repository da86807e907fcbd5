import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { nearestName } from "@lowrank/core/internal";
import type { Command, Option } from "commander";
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { attributeOf } from "./adapterFlags.ts";

/** Option that an options file sets. */
interface RunFileEntry {
  /** Name of the option as written in the file. */
  readonly key: string;
  readonly value: unknown;
  /** File and line for errors: "run.yaml:3". */
  readonly label: string;
}

/** Options of a command, read from a file. */
export interface RunFile {
  readonly path: string;
  readonly entries: readonly RunFileEntry[];
}

const ending = /\.(ya?ml|json)$/i;

/**
 * If the command line `words` begins with one of `commands` and an options file, returns the file's path and the other
 * words. Otherwise returns null.
 */
export function runFileIn(
  words: readonly string[],
  commands: readonly string[],
): { path: string; words: readonly string[] } | null {
  const [command, path] = words;
  if (!commands.includes(command) || path === undefined || !ending.test(path)) return null;
  return { path, words: [command, ...words.slice(2)] };
}

/**
 * Reads options by name from a YAML or JSON file, which may be the config.json of an earlier run. Throws an error with
 * file and line if the text cannot be parsed.
 */
export async function readRunFile(path: string): Promise<RunFile> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new Error(`${path}: ${reason}; give a file of options in YAML or JSON`);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new Error(`${path}:${line}:${col}: ${error.message}; correct the YAML or JSON`, { cause: error });
  }
  const own = isMap(document.contents) && document.contents.has("lowrank") ? document.get("options") : null;
  const found = own ?? document.contents;
  if (!isMap(found)) throw new Error(`${path}: expected options by name, as in "batchSize: 4"`);
  const entries = found.items.map(({ key, value }) => {
    const at = isScalar(key) && key.range ? `:${lines.linePos(key.range[0]).line}` : "";
    const plain = isNode(value) ? (value.toJS(document) as unknown) : value;
    return { key: String(key), value: plain, label: `${path}${at}` };
  });
  return { path, entries };
}

/** Returns the absolute paths of the plugins that an options file names. */
export function pluginsOf({ entries }: RunFile): string[] {
  return entries.flatMap(({ key, value }) =>
    key === "plugin" ? [value].flat().map((file) => resolve(String(file))) : [],
  );
}

/** Option of a command that an options file sets, and the texts of its values. */
interface GivenOption {
  readonly option: Option;
  /** Texts of the option's values; empty for a flag without a value. */
  readonly texts: readonly string[];
  readonly entry: RunFileEntry;
}

/**
 * Matches the entries of an options file to the options of a command. Flags set to false are left out. Throws an error
 * with file and line for unknown names and for values of another type.
 */
function givenOptions(command: Command, { entries }: RunFile): GivenOption[] {
  const seen = new Map<Option, RunFileEntry>();
  return entries.flatMap((entry) => {
    const { key, value, label } = entry;
    const option = command.options.find((option) => option.attributeName() === attributeOf(key));
    if (!option) throw unknownKey(command, entry);
    const before = seen.get(option);
    if (before) throw new Error(`${label}: ${key} is given twice, also as ${before.key}; leave one of them out`);
    seen.set(option, entry);
    const flag = !option.required && !option.optional;
    if (flag && value === false) return [];
    return [{ option, texts: flag ? flagTexts(entry) : valueTexts(option, entry), entry }];
  });
}

function unknownKey(command: Command, { key, label }: RunFileEntry): Error {
  const known = command.options.map((option) => option.attributeName());
  const near = nearestName(attributeOf(key.replaceAll("_", "-")), known);
  const advice = near === null ? `lowrank ${command.name()} --help lists all` : `did you mean ${near}?`;
  return new Error(`${label}: lowrank ${command.name()} has no option ${key}; ${advice}`);
}

function flagTexts({ key, value, label }: RunFileEntry): string[] {
  if (value === true) return [];
  throw new Error(`${label}: ${key} is ${JSON.stringify(value)}; give true or false`);
}

/**
 * Converts a value of an options file to texts as on the command line. A list becomes several texts, or one text with
 * commas. An object becomes a list of `a=b`.
 */
function valueTexts(option: Option, { key, value, label }: RunFileEntry): string[] {
  const isPlain = (part: unknown) => ["string", "number", "boolean"].includes(typeof part);
  if (isPlain(value)) return [String(value)];
  const parts = Array.isArray(value)
    ? value
    : Object.entries(value ?? {}).map(([name, part]) => (isPlain(part) ? `${name}=${part}` : part));
  if (parts.length === 0 || !parts.every(isPlain)) {
    throw new Error(`${label}: ${key} is ${JSON.stringify(value)}; give a value that --${option.name()} accepts`);
  }
  const texts = parts.map(String);
  return option.variadic ? texts : [texts.join(",")];
}

/**
 * Makes a command use the options of a file. An option on the command line overrides the same option in the file, and
 * also options in the file that cannot be combined with it.
 */
export function takeRunFile(command: Command, file: RunFile): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => {
    const parsed = parse(words);
    const written = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === "cli");
    for (const given of givenOptions(command, file)) {
      const { option } = given;
      if (!written.some((other) => other === option || exclude(other, option))) setOption(command, given);
    }
    return parsed;
  };
}

/** Returns true if a command accepts only one of two options. */
function exclude(a: Option, b: Option): boolean {
  const names = (option: Option) => (option as Option & { readonly conflictsWith: readonly string[] }).conflictsWith;
  return names(a).includes(b.attributeName()) || names(b).includes(a.attributeName());
}

function setOption(command: Command, { option, texts, entry: { key, value, label } }: GivenOption): void {
  const { parseArg } = option;
  const read = () => {
    if (!option.required && !option.optional) return true;
    if (option.variadic) return [...texts];
    return parseArg ? parseArg<unknown>(texts[0], undefined) : texts[0];
  };
  try {
    command.setOptionValueWithSource(option.attributeName(), read(), "config");
  } catch (error) {
    throw new Error(`${label}: ${key} is ${JSON.stringify(value)}. ${(error as Error).message}`, { cause: error });
  }
}
