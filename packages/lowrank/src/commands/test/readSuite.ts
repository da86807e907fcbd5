import { readFile } from "node:fs/promises";
import { parseSuite, type Suite, SuiteError } from "@lowrank/testing";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";

/**
 * Reads a suite from a YAML or JSON file. Throws an error with file and line if the text cannot be parsed, or if the
 * suite has an unknown key or a wrong value.
 */
export async function readSuite(path: string): Promise<Suite> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new Error(`${path}: ${reason}; give a suite in YAML or JSON`);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new Error(`${path}:${line}:${col}: ${error.message}; correct the YAML or JSON`, { cause: error });
  }
  try {
    return parseSuite(document.toJS());
  } catch (bad) {
    throw bad instanceof SuiteError ? placed(bad, path, document, lines) : bad;
  }
}

/** Returns the error with the file and the line of the value. */
export function placed(error: SuiteError, path: string, document?: Document, lines?: LineCounter): Error {
  const at = document && offsetOf(document, error.path);
  const line = at === undefined || at === null || !lines ? "" : `:${lines.linePos(at).line}`;
  return new Error(`${path}${line}: ${error.message}`, { cause: error });
}

/** Returns the position in the text of the key or list item at a path; null if there is none. */
function offsetOf({ contents }: Document, path: readonly (string | number)[]): number | null {
  let node: unknown = contents;
  let offset: number | null = null;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (!pair) return offset;
      offset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[key as number];
      offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
    } else return offset;
  }
  return offset;
}
