/** A file after a mutation, and a description of the mutation. */
export interface Mutation {
  readonly bytes: Uint8Array;
  readonly what: string;
}
