/** A record of a data file: its value, or the error that it is, and where it stands. */
export interface DataRecord {
  readonly value: unknown;
  /** `file:line`, or `file: row n`. */
  readonly where: string;
  /** Says what is wrong, without the place; the record has no value then. */
  readonly error?: Error;
  /** The bytes of the record in its file, where it can be read again by itself. */
  readonly span?: { readonly offset: number; readonly length: number };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Decodes bytes as UTF-8. Throws for bytes that are not. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new Error("not UTF-8 text; save the file as UTF-8", { cause });
  }
}

/** Reads the bytes of a JSON value. Throws for what is no UTF-8, and no JSON. */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const start = text.trim().slice(0, 60);
    throw new Error(`not valid JSON (${(cause as Error).message}); found ${start}`, { cause });
  }
}

/** Returns a record of what `read` returns, or of the error that it throws. */
export function recordOf(where: string, span: DataRecord["span"], read: () => unknown, hint: string = ""): DataRecord {
  try {
    return { value: read(), where, span };
  } catch (cause) {
    const error = hint === "" ? (cause as Error) : new Error(`${(cause as Error).message}${hint}`, { cause });
    return { value: undefined, where, error };
  }
}

/** The end of an error about what a file breaks off in. */
export const cutOff = ", where the file ends: is it cut off?";
