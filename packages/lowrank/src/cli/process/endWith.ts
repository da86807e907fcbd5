/** Thrown by a command that has printed its result, to end with an exit code other than 0 and without an error. */
export class EndWith extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}
