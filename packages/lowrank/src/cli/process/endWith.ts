/** Thrown by a command that has printed its result, and whose exit code is not 0. The command line then prints no error. */
export class EndWith extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}
