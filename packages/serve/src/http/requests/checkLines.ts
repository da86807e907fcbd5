import { HttpError } from "./httpError.ts";

/** Maximum number of bytes of a line in a JSONL file. */
const mostBytes = 16 << 20;

/**
 * Yields the pieces of a JSONL file unchanged and validates its lines. Throws a 400 that names the first line that is
 * not a JSON object, and a 400 for a file without lines.
 */
export async function* checkLines(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 0;
  let objects = 0;
  let bytes = 0;
  let parts: Uint8Array[] = [];
  const check = (): void => {
    number++;
    const line = parts.length === 1 ? parts[0] : joined(parts, bytes);
    parts = [];
    bytes = 0;
    const problem = problemOf(line, decoder);
    if (problem === "blank") return;
    if (problem !== null) throw badLine(number, problem);
    objects++;
  };
  for await (const piece of content) {
    let start = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      parts.push(piece.subarray(start, end));
      bytes += end - start;
      check();
      start = end + 1;
    }
    bytes += piece.length - start;
    if (bytes > mostBytes) throw badLine(number + 1, `it has more than ${mostBytes} bytes`);
    // Copies the rest, since the sender may reuse the piece's memory.
    if (start < piece.length) parts.push(piece.slice(start));
    yield piece;
  }
  if (bytes > 0) check();
  if (objects === 0) throw invalid("it holds no line");
}

function problemOf(line: Uint8Array, decoder: TextDecoder): string | null {
  let text: string;
  try {
    text = decoder.decode(line).trim();
  } catch {
    return "it is not valid UTF-8";
  }
  if (text === "") return "blank";
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? null : "it is no JSON object";
  } catch (error) {
    return `it is not valid JSON: ${(error as Error).message}`;
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function badLine(line: number, problem: string): HttpError {
  return invalid(`line ${line}: ${problem}`);
}

function invalid(problem: string): HttpError {
  return new HttpError(400, `The file is no JSONL of examples: ${problem}.`, { param: "file", code: "invalid_file" });
}
