/** An error of the command line, which is printed without a stack trace. */
export class UsageError extends Error {}
