import type { Progress } from "@lowrank/core";

/** A line about what is loaded. */
export interface LoadingProgress {
  onProgress(progress: Progress): void;
  /** Takes the line away. */
  end(): void;
}

/** Says on a terminal how much of a download or a model is there; elsewhere it says nothing. */
export function loadingProgress(stream: NodeJS.WriteStream): LoadingProgress {
  const say = (text: string) => void (stream.isTTY && stream.write(`\r\x1b[K${text}`));
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return {
    onProgress: ({ loaded, total, name }) => say(`${megabytes(loaded)} of ${megabytes(total)} MB, ${name}`),
    end: () => say(""),
  };
}
