import { bytesSource, openSafetensors, SafetensorsError, type SafetensorsFile } from "../index.ts";

/**
 * Returns the bytes of a safetensors file with the given header (a text, or an object to be written as JSON) and data.
 */
export function fileOf(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

/** Opens a file from its bytes. */
export const open = (bytes: Uint8Array): Promise<SafetensorsFile> =>
  openSafetensors(bytesSource(bytes), "a.safetensors");

/**
 * Runs a function that must throw a SafetensorsError, and returns the error's message. Throws if it throws another
 * error or none.
 */
export async function failure(run: () => Promise<unknown>): Promise<string> {
  const error = await run().then(
    () => new Error("no error"),
    (reason: unknown) => reason,
  );
  if (error instanceof SafetensorsError) return error.message;
  throw error;
}

/**
 * Reads all tensors of a file that may be broken. A SafetensorsError is expected and ignored; other errors are thrown.
 */
export async function readOrRefuse(bytes: Uint8Array): Promise<void> {
  try {
    const file = await open(bytes);
    for (const name of file.names()) await file.read(name);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
  }
}
