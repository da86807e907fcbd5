import type { PoolStats } from "../kernel/pool.ts";

/**
 * Collects errors that the device reports asynchronously (lost device, out of memory, a rejected command), for the next
 * read to throw.
 */
export class LateErrors {
  readonly #errors: Error[] = [];
  /** Errors of rejected commands. They are reported last, since they often follow from another error. */
  readonly #refused: Error[] = [];
  readonly #waiting = new Set<Promise<void>>();
  #lost: GPUDeviceLostInfo | null = null;

  constructor(device: GPUDevice) {
    device.lost.then((info) => {
      this.#lost = info;
    });
    device.onuncapturederror = (event) => {
      event.preventDefault?.();
      this.#refused.push(new Error(`webgpu: the device refused a command: ${event.error.message}`));
    };
  }

  /** Keeps an error, so that the next read throws it. */
  keep(error: Error): void {
    this.#errors.push(error);
  }

  /** Keeps the error with which the promise resolves, if it is not null. */
  watch(found: Promise<Error | null>): void {
    const done = found.then(
      (error) => {
        if (error) this.#errors.push(error);
      },
      // The promise rejects if the device is lost, which the next read reports.
      () => {},
    );
    this.#waiting.add(done);
    done.then(() => this.#waiting.delete(done));
  }

  /** Keeps an error if `scope` reports that a new buffer of `bytes` bytes could not be allocated. */
  watchMemory(scope: Promise<GPUError | null>, bytes: number, stats: () => PoolStats): void {
    const { used, free } = stats();
    const room = `${used} bytes are in use and ${free} kept for reuse`;
    const advice = "free tensors, use smaller batches, or a smaller model";
    this.watch(
      scope.then((error) => {
        return (
          error && new Error(`webgpu: the device has no memory for a buffer of ${bytes} bytes; ${room}; ${advice}`)
        );
      }),
    );
  }

  /** Returns the first error since the last call; undefined if there was none. */
  async take(): Promise<Error | undefined> {
    await Promise.all(this.#waiting);
    const [error] = [...this.#errors.splice(0), ...this.#refused.splice(0)];
    return error;
  }

  /**
   * Returns the error to throw for a failed read: the loss of the device if it was lost, otherwise an earlier error if
   * there is one, otherwise `cause`.
   */
  async ofFailedRead(cause: unknown): Promise<Error> {
    const earlier = await this.take();
    // WebGPU reports a lost device shortly after the reads that fail because of it.
    for (let turn = 0; turn < 10 && !this.#lost; turn++) await new Promise((resolve) => setTimeout(resolve, turn));
    if (!this.#lost) return earlier ?? new Error(`webgpu: the read failed: ${cause}`, { cause });
    const { reason, message } = this.#lost;
    const why = [reason === "destroyed" ? "it was destroyed" : "the driver gave up", message]
      .filter(Boolean)
      .join(": ");
    return new Error(
      `webgpu: the device is lost (${why}); its tensors are lost: call init(webgpu()) again and load them again`,
      { cause: earlier ?? cause },
    );
  }
}
