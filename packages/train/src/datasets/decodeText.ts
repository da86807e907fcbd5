/**
 * Decodes pieces of a file as UTF-8. Throws, with the line, for bytes that are not.
 */
export async function* decodeText(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  const decode = (piece?: Uint8Array): string => {
    try {
      return piece ? decoder.decode(piece, { stream: true }) : decoder.decode();
    } catch (error) {
      throw new Error(`${name}:${line + goodLines(piece)}: not UTF-8 text; save the file as UTF-8`, { cause: error });
    }
  };
  for await (const piece of pieces) {
    const text = decode(piece);
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) line++;
    yield text;
  }
  yield decode();
}

/** The lines before the first one that is not UTF-8. */
function goodLines(piece: Uint8Array = new Uint8Array()): number {
  let count = 0;
  for (let start = 0; start < piece.length; count++) {
    const end = piece.indexOf(10, start);
    const line = piece.subarray(start, end < 0 ? piece.length : end);
    // The first one may begin in the piece before.
    if (count > 0 && !isUtf8(line)) return count;
    if (end < 0) break;
    start = end + 1;
  }
  return 0;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
