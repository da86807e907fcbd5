import { writeSync } from "node:fs";
import { Socket } from "node:net";

/** Number of failed writes to a stream, and the first failure's code. */
export interface LostWrites {
  readonly count: number;
  /** Code of the first failure: EPIPE, EIO or ENOSPC. */
  readonly code: string;
}

/** A standard stream of this process. */
export type OutputName = "stdout" | "stderr";

const lost: Record<OutputName, LostWrites | null> = { stdout: null, stderr: null };
const stdoutLost = new AbortController();

/**
 * Error that aborts work when stdout can no longer be written to. Used for work whose only result is text on stdout.
 */
export class StdoutLost extends Error {}

/** Aborts at the first write to stdout that fails, with a `StdoutLost` as its reason. */
export const stdoutLostSignal: AbortSignal = stdoutLost.signal;

/** Returns the failed writes to stdout or stderr; null if none has failed. */
export function lostWrites(name: OutputName): LostWrites | null {
  return lost[name];
}

/**
 * Makes stdout and stderr drop and count writes that fail (closed terminal, closed pipe, full disk). Without this, the
 * first failed write ends the process. If the output goes to a file, each later write is attempted again, since the
 * disk may have space by then.
 */
export function guardOutput(): void {
  for (const name of ["stdout", "stderr"] as const) {
    const stream = process[name];
    const count = (error: unknown) => {
      const { code = "EIO" } = error as NodeJS.ErrnoException;
      lost[name] = { count: (lost[name]?.count ?? 0) + 1, code: lost[name]?.code ?? code };
      if (name === "stdout") stdoutLost.abort(new StdoutLost("stdout cannot be written to"));
    };
    // The callback of each write receives its error too.
    stream.on("error", () => {});
    stream.write = stream instanceof Socket ? socketWriter(stream, count) : fileWriter(stream, count);
  }
}

type Write = NodeJS.WriteStream["write"];
type Written = (error?: Error | null) => void;

/**
 * Returns a replacement for the `write` method of a stream to a terminal or a pipe. The replacement calls `onError` for
 * each write that fails.
 */
function socketWriter(stream: NodeJS.WriteStream, onError: (error: unknown) => void): Write {
  const write = stream.write.bind(stream);
  return (chunk: string | Uint8Array, ...rest: unknown[]) => {
    const [encoding, written] = parametersOf(rest);
    return write(chunk, encoding, (error) => {
      if (error) onError(error);
      written?.(error);
    });
  };
}

/**
 * Returns a replacement for the `write` method of a stream to a file. If the disk accepts only part of the data, the
 * replacement also writes the remainder, which Node's own method would drop. It calls `onError` for each write that
 * fails.
 */
function fileWriter({ fd }: { readonly fd: number }, onError: (error: unknown) => void): Write {
  let isTorn = false;
  return (chunk: string | Uint8Array, ...rest: unknown[]) => {
    const [encoding, written] = parametersOf(rest);
    const text = isTorn && typeof chunk === "string" ? `\n${chunk}` : chunk;
    const bytes = typeof text === "string" ? Buffer.from(text, encoding) : text;
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(fd, bytes, done);
      isTorn = false;
    } catch (error) {
      isTorn ||= done > 0;
      onError(error);
    }
    if (written) process.nextTick(written);
    return true;
  };
}

/** Reads the optional parameters of `stream.write`: encoding and callback. */
function parametersOf(rest: readonly unknown[]): [BufferEncoding | undefined, Written | undefined] {
  const encoding = rest.find((value) => typeof value === "string");
  const written = rest.find((value) => typeof value === "function");
  return [encoding as BufferEncoding | undefined, written as Written | undefined];
}
