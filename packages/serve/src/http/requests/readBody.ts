import { HttpError } from "./httpError.ts";
import { type ServingLimits, timerMs } from "./limits.ts";

/** Reads the body of a request as JSON. Stops as soon as it exceeds the size or time limit. */
export async function readBody(request: Request, limits: ServingLimits): Promise<unknown> {
  const type = request.headers.get("content-type") ?? "";
  // A page of another origin may send other types without a preflight request.
  if (!/^application\/json\s*(;|$)/i.test(type.trim())) {
    throw new HttpError(415, `Unsupported Media Type: the body is "${type}"; send application/json.`, {
      code: "unsupported_media_type",
    });
  }
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding.trim().toLowerCase() !== "identity") {
    const message = `Unsupported Media Type: the body's content-encoding is "${encoding}"; send it as it is.`;
    throw new HttpError(415, message, { code: "unsupported_media_type" });
  }
  if (Number(request.headers.get("content-length") ?? 0) > limits.bodyBytes) throw tooLarge(limits);
  const bytes = await readBytes(request, limits);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const message = `We could not parse the JSON body of your request: ${(error as Error).message}`;
    throw new HttpError(400, message, { code: "invalid_json" });
  }
}

async function readBytes(request: Request, limits: ServingLimits): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  const slow = new HttpError(408, `The request's body took longer than ${limits.bodySeconds} seconds.`, {
    code: "body_timeout",
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(slow), timerMs(limits.bodySeconds));
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      length += value.byteLength;
      if (length > limits.bodyBytes) throw tooLarge(limits);
      chunks.push(value);
    }
  } catch (error) {
    void reader.cancel(error).catch(() => {});
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, "The request's body ended before it was whole.", {
      code: "incomplete_body",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

function tooLarge({ bodyBytes }: ServingLimits): HttpError {
  return new HttpError(413, `The request's body is larger than ${bodyBytes} bytes.`, { code: "body_too_large" });
}
