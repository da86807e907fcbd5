/** A JSON value of a data file, and where it stands, as `file:line`. */
export interface JsonRecord {
  value: unknown;
  where: string;
}

/** The values of a JSONL text, one a line; blank lines are passed over. */
export async function* jsonLines(chunks: AsyncIterable<string>, name: string): AsyncGenerator<JsonRecord> {
  let line = 0;
  for await (const { text, isEnded } of lines(chunks)) {
    line++;
    if (text.trim() !== "")
      yield parse(text, `${name}:${line}`, isEnded ? "" : ", where the file ends: is it cut off?");
  }
}

/** The items of a JSON array, each with the line on which it starts. */
export function* jsonArray(text: string, name: string): Generator<JsonRecord> {
  // The parser says what is wrong with the whole; the scan below relies on its being right.
  const { value: items } = parse(text, name);
  if (!Array.isArray(items)) throw new Error(`${name}: expected a JSON array of examples`);
  const starts = itemLines(text);
  for (const [i, value] of items.entries()) yield { value, where: `${name}:${starts[i]}` };
}

/** The line on which each item of a valid JSON array starts. */
function itemLines(text: string): number[] {
  const starts: number[] = [];
  let line = 1;
  let depth = 0;
  let awaiting = false;
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]|,|\n|[^\s[\]{},"]+/gu;
  for (const [found] of text.matchAll(token)) {
    if (found === "\n") {
      line++;
      continue;
    }
    if (awaiting && found !== "]") starts.push(line);
    awaiting = depth === 1 && found === ",";
    if (found === "[" || found === "{") {
      awaiting = depth === 0;
      depth++;
    } else if (found === "]" || found === "}") {
      depth--;
    }
  }
  return starts;
}

/** Lines of a text that comes in pieces, without their ends (LF or CRLF). */
async function* lines(chunks: AsyncIterable<string>): AsyncGenerator<{ text: string; isEnded: boolean }> {
  // Pieces of a long line are joined once, at its end.
  let rest: string[] = [];
  for await (const chunk of chunks) {
    const parts = chunk.split("\n");
    const last = parts.pop() as string;
    for (const part of parts) {
      const text = [...rest, part].join("");
      rest = [];
      yield { text: text.endsWith("\r") ? text.slice(0, -1) : text, isEnded: true };
    }
    rest.push(last);
  }
  const text = rest.join("");
  if (text !== "") yield { text, isEnded: false };
}

function parse(text: string, where: string, hint = ""): JsonRecord {
  try {
    return { value: JSON.parse(text), where };
  } catch (error) {
    const start = text.trim().slice(0, 60);
    throw new Error(`${where}: not valid JSON (${(error as Error).message}); found ${start}${hint}`, { cause: error });
  }
}
