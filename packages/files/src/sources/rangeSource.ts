import type { ByteSource } from "@lowrank/core";
import { byteSourceFromReadInto } from "./byteSourceFromReadInto.ts";
import { InterruptedBody, reasonOf } from "./interruptedBody.ts";

/** A file on a server that supports Range requests. */
interface RangedFile {
  /** The name of the file in error messages. */
  readonly label: string;
  readonly size: number;
  /** Requests a byte range, such as "bytes=0-9". Throws `InterruptedBody` if the connection breaks. */
  get(range: string): Promise<Response>;
}

/** Number of consecutive attempts without new bytes after which a read fails. */
const mostFruitless = 3;

/**
 * Returns a source that requests each byte range when it is read, and stores nothing. After a broken connection, a read
 * continues at the next missing byte. Throws if the server sends another range than requested, or if the file changes
 * between two requests.
 */
export function rangeSource({ label, size, get }: RangedFile): ByteSource {
  let known: string | null = null;

  function checkUnchanged(etag: string | null): void {
    if (known !== null && etag !== null && etag !== known) {
      throw new Error(
        `${label} changed on the server while it was read: its ETag was ${known} and is ${etag}; load it again`,
      );
    }
    known ??= etag;
  }

  async function ask(from: number, to: number): Promise<Response> {
    const response = await get(`bytes=${from}-${to - 1}`);
    try {
      if (response.status !== 206) {
        throw new Error(`${label}: the server answered ${response.status} to a Range request; expected 206`);
      }
      const sent = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "");
      // The header is missing if a server of another origin does not expose it.
      if (sent && (Number(sent[1]) !== from || (sent[3] !== "*" && Number(sent[3]) !== size))) {
        throw new Error(`${label}: the server sent "${sent[0]}"; expected bytes ${from}-${to - 1}/${size}`);
      }
      checkUnchanged(response.headers.get("ETag"));
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    return response;
  }

  async function readInto(offset: number, room: Uint8Array): Promise<void> {
    let [done, fruitless] = [0, 0];
    while (done < room.length) {
      const before = done;
      try {
        const { body } = await ask(offset + done, offset + room.length);
        for await (const bytes of pieces(body)) {
          if (done + bytes.length <= room.length) room.set(bytes, done);
          done += bytes.length;
          if (done > room.length) break;
        }
      } catch (error) {
        if (!(error instanceof InterruptedBody)) throw error;
        fruitless = done > before ? 0 : fruitless + 1;
        if (fruitless < mostFruitless) continue;
        const where = `after ${offset + done} of ${size} bytes`;
        throw new Error(`the download of ${label} broke off ${where} (${error.message}); load it again`, {
          cause: error,
        });
      }
      if (done !== room.length) {
        throw new Error(`${label}: the server sent ${done} bytes from position ${offset}; expected ${room.length}`);
      }
    }
  }

  return byteSourceFromReadInto(size, readInto);
}

/** Yields the pieces of a response body. Throws `InterruptedBody` if the connection breaks. */
async function* pieces(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void> {
  const reader = body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw new InterruptedBody(reasonOf(error), { cause: error });
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
