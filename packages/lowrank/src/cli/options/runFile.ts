import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { nearestName } from "@lowrank/core";
import type { Command, Option } from "commander";
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { attributeOf } from "./adapterFlags.ts";

/** An option that a file gives. */
interface RunFileEntry {
  /** Its name as the file has it. */
  readonly key: string;
  readonly value: unknown;
  /** The file and the line, for errors: "run.yaml:3". */
  readonly label: string;
}

/** The options of a command in a file. */
export interface RunFile {
  readonly path: string;
  readonly entries: readonly RunFileEntry[];
}

const ending = /\.(ya?ml|json)$/i;

/**
 * Finds the file that the word behind a command's name is, for one of `commands`. Returns it, with
 * the words without it; null where there is none.
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
 * Reads options by their names from YAML or JSON. The config.json that a run leaves is such a file
 * too. Throws, naming file and line, for text that is neither.
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

/** The plugins that a file names, as whole paths. */
export function pluginsOf({ entries }: RunFile): string[] {
  return entries.flatMap(({ key, value }) =>
    key === "plugin" ? [value].flat().map((file) => resolve(String(file))) : [],
  );
}

/** An option of a command, and the words that a command line would give it. */
interface GivenOption {
  readonly option: Option;
  /** None for a flag without a value. */
  readonly texts: readonly string[];
  readonly entry: RunFileEntry;
}

/**
 * Finds the options of a command that a file gives; flags that are false are left out. Throws,
 * naming file and line, for names that the command does not have, and for values of another kind.
 */
function givenOptions(command: Command, { entries }: RunFile): GivenOption[] {
  const seen = new Map<Option, RunFileEntry>();
  return entries.flatMap((entry) => {
    const { key, value, label } = entry;
    const option = command.options.find((option) => option.attributeName() === attributeOf(key));
    if (!option) throw unknownKey(command, entry);
    const before = seen.get(option);
    if (before) throw new Error(`${label}: ${key} is given twice, as ${before.key} too; leave one out`);
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

/** A list becomes words, or one word with commas; names with values become a list of a=b. */
function valueTexts(option: Option, { key, value, label }: RunFileEntry): string[] {
  const isPlain = (part: unknown) => ["string", "number", "boolean"].includes(typeof part);
  if (isPlain(value)) return [String(value)];
  const parts = Array.isArray(value)
    ? value
    : Object.entries(value ?? {}).map(([name, part]) => (isPlain(part) ? `${name}=${part}` : part));
  if (parts.length === 0 || !parts.every(isPlain)) {
    throw new Error(`${label}: ${key} is ${JSON.stringify(value)}; give what --${option.name()} takes`);
  }
  const texts = parts.map(String);
  return option.variadic ? texts : [texts.join(",")];
}

/**
 * Makes a command take options from a file where the command line has neither them nor others that
 * exclude them.
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

/** True for two options of which a command takes one. */
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
