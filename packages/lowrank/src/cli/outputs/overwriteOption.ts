import { Option } from "commander";

/** Returns the `--overwrite` option of commands that write a model or an adapter. */
export function overwriteOption(): Option {
  return new Option("--overwrite", "replace the model or adapter that --output holds");
}
