import type { ByteSource } from "@lowrank/core";

/** A line of a file, without its line break (LF or CRLF), and its position in the file. */
export interface ByteLine {
  readonly bytes: Uint8Array;
  /** Line number, from 1. */
  readonly line: number;
  /** Offset of the line's first byte in the file. */
  readonly offset: number;
  /** The line break after the line; empty for a last line without one. */
  readonly end: "" | "\n" | "\r\n";
}

const [lf, cr] = [10, 13];
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** Yields the lines of a file whose bytes arrive in chunks. Skips a byte order mark at the beginning. */
export async function* byteLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ByteLine> {
  // Chunks of a long line are joined once, at its end.
  let rest: Uint8Array[] = [];
  let line = 1;
  let offset = 0;
  let read = 0;
  const take = (last: Uint8Array, isEnded: boolean): ByteLine => {
    const whole = rest.length === 0 ? last : joinBytes([...rest, last]);
    rest = [];
    const start = line === 1 && byteOrderMark.every((byte, i) => whole[i] === byte) ? byteOrderMark.length : 0;
    const end = !isEnded ? "" : whole.at(-1) === cr ? "\r\n" : "\n";
    const bytes = whole.subarray(start, end === "\r\n" ? whole.length - 1 : whole.length);
    return { bytes, line, offset: offset + start, end };
  };
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(lf); end >= 0; end = piece.indexOf(lf, start)) {
      yield take(piece.subarray(start, end), true);
      line++;
      start = end + 1;
      offset = read + start;
    }
    if (start < piece.length) rest.push(piece.subarray(start));
    read += piece.length;
  }
  if (rest.length > 0) yield take(new Uint8Array(), false);
}

/** Joins chunks of bytes. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Yields the bytes of a file in chunks of 1 MiB. */
export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  const length = 1 << 20;
  for (let at = 0; at < source.size; at += length) yield source.read(at, Math.min(length, source.size - at));
}
