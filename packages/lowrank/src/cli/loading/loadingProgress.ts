import type { Progress } from "@lowrank/core";

/** Progress line for a download or a model that loads. */
export interface LoadingProgress {
  onProgress(progress: Progress): void;
  /** Clears the progress line. */
  end(): void;
}

/** Shows on a terminal how much of a download or a model has been loaded. Does nothing for other streams. */
export function loadingProgress(stream: NodeJS.WriteStream): LoadingProgress {
  const say = (text: string) => void (stream.isTTY && stream.write(`\r\x1b[K${text}`));
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return {
    onProgress: ({ loaded, total, name }) => say(`${megabytes(loaded)} of ${megabytes(total)} MB, ${name}`),
    end: () => say(""),
  };
}
