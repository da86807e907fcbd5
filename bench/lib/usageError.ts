/** An error of the command line, which is told without a stack. */
export class UsageError extends Error {}
