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
  /**
   * The names of all files, where the place can tell: of those at its top, or in a folder of it.
   * Names of folders end in "/". A folder that is not there holds nothing.
   */
  list?(folder?: string): Promise<string[]>;
}

/** The content of a file to write. Bytes may come piece by piece. */
export type FileContent = Uint8Array | string | AsyncIterable<Uint8Array>;

/** A place whose files can be written too: a folder, memory, or the browser's own storage. */
export interface WritableFiles extends ModelFiles {
  list(folder?: string): Promise<string[]>;
  /**
   * Writes files by name, in folders where names have them ("run/a.json"). Each stands there whole
   * or as it was before. They appear one after the other, in their order, when all are written.
   */
  write(contents: ReadonlyMap<string, FileContent>): Promise<void>;
  /**
   * Writes a folder that then holds these files and no others; it stands there whole or as before.
   * Left out where folders cannot be renamed.
   */
  replaceFolder?(folder: string, contents: ReadonlyMap<string, FileContent>): Promise<void>;
  /** Removes a folder with all that is in it. Left out where nothing can be removed. */
  removeFolder?(folder: string): Promise<void>;
}

/** The error for a file that is not there: names what is there instead. */
export async function missingFile(files: ModelFiles, expected: string): Promise<Error> {
  const folder = expected.slice(0, Math.max(expected.lastIndexOf("/"), 0));
  const names = await files.list?.(folder);
  const there = names && ` (${folder || "it"} holds ${names.length > 0 ? names.sort().join(", ") : "nothing"})`;
  const gguf = expected.endsWith(".safetensors") ? names?.find((name) => /\.gguf$/i.test(name)) : undefined;
  const advice = gguf === undefined ? "" : `; to load a GGUF file give its own path, which ends in ${gguf}`;
  return new Error(`${files.label} has no ${expected}${there ?? ""}${advice}`);
}

/** A JSON file as a value; a syntax error names the file. */
export async function readJson(files: ModelFiles, name: string): Promise<unknown> {
  const text = await files.readText(name);
  checkDepth(text, `${files.label}: ${name}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${files.label}: ${name} is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** No file is nested that deep, and what walks through values would run out of stack. */
const deepest = 1000;

/** Throws for a JSON text whose values lie far within each other. */
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
/** The codes of { and }; those of [ and ] differ by one bit, which is set in these. */
const [opening, closing] = [123, 125];
