import type { ByteSource } from "@lowrank/core";

/** The place that holds the files of a model or an adapter: a folder, memory or an address. */
export interface ModelFiles {
  /** The name of this place in error messages. */
  readonly label: string;
  /** Returns true if there is a file of this name. */
  has(name: string): Promise<boolean>;
  /** A file as UTF-8 text; throws where it is missing. */
  readText(name: string): Promise<string>;
  /** A file for reading in parts; throws where it is missing. */
  open(name: string): Promise<ByteSource>;
  /** The names of all files, where the place can tell. */
  list?(): Promise<string[]>;
}

/** The error for a file that is not there: names what is there instead. */
export async function missingFile(files: ModelFiles, expected: string): Promise<Error> {
  const names = await files.list?.();
  const there = names && ` (it holds ${names.length > 0 ? names.sort().join(", ") : "nothing"})`;
  return new Error(`${files.label} has no ${expected}${there ?? ""}`);
}

/** A JSON file as a value; a syntax error names the file. */
export async function readJson(files: ModelFiles, name: string): Promise<unknown> {
  const text = await files.readText(name);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${files.label}: ${name} is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}
