import { HttpError, toHttpError } from "./httpError.ts";
import { timerMs } from "./limits.ts";

/** Limits on the upload of a file. */
interface UploadLimits {
  readonly uploadBytes: number;
  readonly uploadPauseSeconds: number;
}

/** Maximum number of bytes of a form besides its file: fields, and boundaries between parts. */
const formBytes = 1 << 16;

/** Maximum number of characters of a file name, as in file systems. */
const mostNameCharacters = 255;

/** Fields of an uploaded form, and its file. */
export interface Upload<T> {
  readonly fields: Readonly<Record<string, string>>;
  /** Result of the function `take` of `readUpload` for the form's part "file"; null if the form has no such part. */
  readonly file: T | null;
}

/**
 * Reads a `multipart/form-data` form. Passes its file to `take` piece by piece, at the speed at which `take` reads, so
 * that the file is never entirely in memory. Stops if the file is too large or too slow, or if `take` throws. If the
 * form fails after `take` has accepted the file, passes the result of `take` to `discard`, which must remove the file.
 */
export async function readUpload<T>(
  request: Request,
  limits: UploadLimits,
  take: (content: AsyncIterable<Uint8Array>, filename: string) => Promise<T>,
  discard: (file: T) => Promise<unknown>,
): Promise<Upload<T>> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*;/i.test(type) || !request.body) {
    throw new HttpError(415, `Unsupported Media Type: the body is "${type}"; send multipart/form-data.`, {
      code: "unsupported_media_type",
    });
  }
  if (Number(request.headers.get("content-length") ?? 0) > limits.uploadBytes + formBytes) throw tooLarge(limits);
  const { Busboy } = await import("@fastify/busboy");
  const parser = new Busboy({
    headers: { "content-type": type },
    // One file and 15 fields are allowed. One more of each is read, so that the error can name it.
    limits: { fileSize: limits.uploadBytes, files: 2, fields: 16, fieldSize: 1024 },
  });
  const fields: Record<string, string> = Object.create(null);
  let taking: Promise<T> | null = null;
  let part: { destroy(error: Error): unknown } | null = null;
  const ended = new Promise<void>((resolve, reject) => {
    let count = 0;
    parser.on("field", (name, value, _, valueCut) => {
      // Busboy limits names only in forms of other types.
      const nameBytes = new TextEncoder().encode(name).length;
      if (nameBytes > 100 || valueCut) reject(badPart(name, "has a name of over 100 bytes, or a value of over 1024"));
      else if (Object.hasOwn(fields, name)) reject(badPart(name, "is there twice; send it once"));
      else if (++count > 15) reject(badPart(name, "is one field too many; send at most 15"));
      fields[name] = value;
    });
    parser.on("file", (name, stream, filename) => {
      // The form reports its own error if it breaks off, and the file may no longer have a reader.
      stream.on("error", () => undefined);
      const problem = name !== "file" || taking ? badPart(name, "is a file; send one, in 'file'") : badName(filename);
      if (problem) {
        reject(problem);
        stream.resume();
        return;
      }
      const content = async function* () {
        for await (const piece of stream) yield piece as Uint8Array;
        if (stream.truncated) throw tooLarge(limits);
      };
      part = stream;
      taking = take(content(), filename);
      taking.catch(reject);
    });
    parser.on("finish", resolve);
    parser.on("error", (error) => {
      const message = `The form cannot be read: ${(error as Error).message}`;
      reject(new HttpError(400, message, { code: "invalid_form", cause: error }));
    });
  });
  // Rejects if the form or `take` fails; never resolves.
  const failed = ended.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  const reader = request.body.getReader();
  try {
    for (;;) {
      const { done, value } = await Promise.race([withPause(reader.read(), limits), failed]);
      if (done) break;
      // A full parser waits for `take`.
      if (!parser.write(value)) {
        await Promise.race([new Promise<void>((resolve) => parser.once("drain", resolve)), failed]);
      }
    }
    parser.end();
    await ended;
    return { fields, file: taking === null ? null : await (taking as Promise<T>) };
  } catch (error) {
    void reader.cancel(error).catch(() => undefined);
    parser.destroy();
    // A destroyed parser leaves its part open, for which `take` would wait forever. The part's errors are ignored.
    (part as { destroy(error: Error): unknown } | null)?.destroy(error as Error);
    (taking as Promise<T> | null)?.then(discard).catch(() => undefined);
    throw toHttpError(error).with({ closes: true });
  }
}

/** Waits for the next piece of an upload. Throws a 408 after `uploadPauseSeconds`. */
async function withPause<T>(piece: Promise<T>, { uploadPauseSeconds }: UploadLimits): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `No byte of the file has come for ${uploadPauseSeconds} seconds.`;
      reject(new HttpError(408, message, { code: "body_timeout" }));
    }, timerMs(uploadPauseSeconds));
  });
  try {
    return await Promise.race([piece, late]);
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, "The request's body ended before it was whole.", {
      code: "incomplete_body",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

function badPart(name: string, problem: string): HttpError {
  const shown = name.slice(0, 100);
  return new HttpError(400, `The form's part '${shown}' ${problem}.`, { param: shown, code: "invalid_form" });
}

/** Returns the error for a file name that is too long or contains control characters; null for a valid name. */
function badName(filename: string): HttpError | null {
  const problem =
    filename.length > mostNameCharacters
      ? `has ${filename.length} characters; give at most ${mostNameCharacters}`
      : /\p{Cc}/u.test(filename)
        ? "holds control characters; leave them out"
        : null;
  return problem === null
    ? null
    : new HttpError(400, `The file's name ${problem}.`, { param: "file", code: "invalid_filename" });
}

function tooLarge({ uploadBytes }: UploadLimits): HttpError {
  return new HttpError(413, `The file is larger than ${uploadBytes} bytes.`, { param: "file", code: "file_too_large" });
}
