import type { ModelFiles } from "@lowrank/files";
import type { Random } from "../../deploy/random.ts";

/** Damaged files to read. */
interface Reading {
  readonly files: ModelFiles;
  /** The folder on disk that holds them, or null where they are in memory. */
  readonly folder: string | null;
  /** The name of their sample. */
  readonly name: string;
  readonly random: Random;
  /** Says that the files were accepted: what comes now uses them. */
  accepted(): void;
}

/** Reads files as users do and uses what they hold; throws where they are refused. */
export type Attempt = (reading: Reading) => Promise<void>;

/** Thrown where an id is not that of a token. */
export class WrongIds extends Error {}

/** Throws for ids that are no tokens of a vocabulary of `size`. */
export function checkIds(what: string, ids: readonly number[], size: number): void {
  const wrong = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < size));
  if (wrong !== undefined) throw new WrongIds(`${what} gave the id ${wrong}; there are ${size}`);
}
