import type { ModelFiles } from "@lowrank/files";
import type { Random } from "@lowrank/test-support/random";

/** Damaged files to read. */
interface Reading {
  readonly files: ModelFiles;
  /** The folder on disk that holds them, or null if they are in memory. */
  readonly folder: string | null;
  /** The name of their sample. */
  readonly name: string;
  readonly random: Random;
  /** Called when the files are accepted: any later error comes from their use. */
  accepted(): void;
}

/** Reads files as users do and uses their contents; throws if they are rejected. */
export type Attempt = (reading: Reading) => Promise<void>;

/** Thrown for an id that is not a token. */
export class WrongIds extends Error {}

/** Throws if an id is not a token of a vocabulary of `size`. */
export function checkIds(what: string, ids: readonly number[], size: number): void {
  const wrong = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < size));
  if (wrong !== undefined) throw new WrongIds(`${what} gave the id ${wrong}; there are ${size}`);
}
