/** A file after a mutation, and what that was. */
export interface Mutation {
  readonly bytes: Uint8Array;
  readonly what: string;
}
