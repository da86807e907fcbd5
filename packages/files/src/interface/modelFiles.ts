import type { ByteSource } from "@lowrank/core";

/** A place that holds the files of a model or an adapter: a folder, memory or an address. */
export interface ModelFiles {
  /** The name of this place in error messages. */
  readonly label: string;
  /** Returns true if a file with this name exists. */
  has(name: string): Promise<boolean>;
  /** Returns a file as UTF-8 text. Throws if it is missing. */
  readText(name: string): Promise<string>;
  /** Opens a file for reading in parts. Throws if it is missing. */
  open(name: string): Promise<ByteSource>;
  /**
   * Lists the names of the files and folders directly in `folder` (default: the top). Names of folders end in "/". A
   * missing folder gives an empty list. The method is undefined if the place cannot list files.
   */
  list?(folder?: string): Promise<string[]>;
}

/** Content of a file to write: text, bytes, or bytes in pieces. */
export type FileContent = Uint8Array | string | AsyncIterable<Uint8Array>;

/** A place whose files can also be written: a folder, memory, or the browser's own storage. */
export interface WritableFiles extends ModelFiles {
  list(folder?: string): Promise<string[]>;
  /**
   * Writes files by name; a name may include folders ("run/a.json"). All files are first written completely, and then
   * appear one after the other, in the order of the map. Each file has its old or its new content, never a part.
   */
  write(contents: ReadonlyMap<string, FileContent>): Promise<void>;
  /**
   * Replaces a folder, so that it contains exactly these files. After a failure it has its old content. The method is
   * undefined if the place cannot rename folders.
   */
  replaceFolder?(folder: string, contents: ReadonlyMap<string, FileContent>): Promise<void>;
  /** Removes a folder with its contents. The method is undefined if the place cannot remove files. */
  removeFolder?(folder: string): Promise<void>;
}

/** Returns the error for a missing file. Its message lists the files that exist. */
export async function missingFile(files: ModelFiles, expected: string): Promise<Error> {
  const folder = expected.slice(0, Math.max(expected.lastIndexOf("/"), 0));
  const names = await files.list?.(folder);
  const there = names && ` (${folder || "it"} holds ${names.length > 0 ? names.sort().join(", ") : "nothing"})`;
  const gguf = expected.endsWith(".safetensors") ? names?.find((name) => /\.gguf$/i.test(name)) : undefined;
  const advice = gguf === undefined ? "" : `; to load a GGUF file give its own path, which ends in ${gguf}`;
  return new Error(`${files.label} has no ${expected}${there ?? ""}${advice}`);
}

/** Reads and parses a JSON file. The error for invalid JSON names the file. */
export async function readJson(files: ModelFiles, name: string): Promise<unknown> {
  const text = await files.readText(name);
  checkDepth(text, `${files.label}: ${name}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${files.label}: ${name} is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Maximum nesting depth of JSON. Real files are far below it; deeper values would overflow the stack of recursive code.
 */
const deepest = 1000;

/** Throws for a JSON text whose values are nested more than `deepest` deep. */
function checkDepth(text: string, what: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      for (i++; i < text.length && text.charCodeAt(i) !== quote; i++) if (text.charCodeAt(i) === backslash) i++;
    } else if ((code | 32) === opening) {
      if (++depth > deepest) throw new Error(`${what} is nested more than ${deepest} deep`);
    } else if ((code | 32) === closing) {
      depth--;
    }
  }
}

const [quote, backslash] = [34, 92];
/**
 * Character codes of { and }. The code of [ or ] becomes the code of { or } by `| 32`, so one comparison detects both
 * kinds.
 */
const [opening, closing] = [123, 125];

/** Returns the files of a subfolder, with names relative to it, as in `filesIn(files, "run/checkpoint-8")`. */
export function filesIn(files: ModelFiles, folder: string): ModelFiles {
  const under = (name: string) => `${folder}/${name}`;
  return {
    label: `${files.label}/${folder}`,
    has: (name) => files.has(under(name)),
    readText: (name) => files.readText(under(name)),
    open: (name) => files.open(under(name)),
    ...(files.list && { list: (inner) => files.list!(inner ? under(inner) : folder) }),
  };
}

/**
 * Returns the names of the files and folders directly in `folder`, from the full paths of all files. Names of folders
 * end in "/".
 */
export function namesIn(paths: Iterable<string>, folder: string): string[] {
  const start = folder === "" ? "" : `${folder}/`;
  const below = [...paths].filter((path) => path.startsWith(start));
  // The path "run/a.json", relative to the folder, gives the folder name "run/".
  return [...new Set(below.map((path) => /^[^/]*\/?/.exec(path.slice(start.length))![0]))];
}
