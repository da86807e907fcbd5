/**
 * One record of a data file, such as a line of JSONL. It contains the record's value, or an error if the record is
 * invalid, and the record's position.
 */
export interface DataRecord {
  readonly value: unknown;
  /** The record's position for messages: `file:line`, or `file: row n` for Parquet. */
  readonly where: string;
  /** The reason why the record is invalid; the message does not contain the position. `value` is then undefined. */
  readonly error?: Error;
  /** Position of the record's bytes in the file. Absent if a record cannot be read separately, as in Parquet files. */
  readonly span?: { readonly offset: number; readonly length: number };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Decodes bytes as UTF-8. Throws for invalid bytes. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new Error("not UTF-8 text; save the file as UTF-8", { cause });
  }
}

/** Parses the bytes of a JSON value. Throws for invalid UTF-8 or JSON. */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const start = text.trim().slice(0, 60);
    throw new Error(`not valid JSON (${(cause as Error).message}); found ${start}`, { cause });
  }
}

/**
 * Returns a record with the result of `read` as its value. If `read` throws, the record has the error instead, and
 * `hint` is appended to the error's message.
 */
export function recordOf(where: string, span: DataRecord["span"], read: () => unknown, hint: string = ""): DataRecord {
  try {
    return { value: read(), where, span };
  } catch (cause) {
    const error = hint === "" ? (cause as Error) : new Error(`${(cause as Error).message}${hint}`, { cause });
    return { value: undefined, where, error };
  }
}

/** Appended to the error message for a file that ends too early. */
export const cutOff = ", where the file ends: is it cut off?";
