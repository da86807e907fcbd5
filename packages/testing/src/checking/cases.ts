import type { PeftConfig } from "@lowrank/peft";
import { PropertyError } from "../errors/propertyError.ts";
import { UnfitError } from "../errors/unfitError.ts";
import type { Property, PropertyName } from "../properties/properties.ts";
import type { AdapterValues } from "../subjects/adapterValues.ts";
import type { ConfigDescription } from "../subjects/configDescription.ts";
import type { ModelArguments } from "../subjects/inputs.ts";
import type { ModelSubject } from "../subjects/subject.ts";

/** One case of a property: everything that it needs. */
export interface PropertyCase {
  readonly model: ModelSubject;
  readonly config: PeftConfig | ConfigDescription;
  readonly inputs: ModelArguments | undefined;
  readonly values: AdapterValues;
}

/** Result of running one property on several cases. */
export interface CasesRun {
  /** Number of cases on which the property was tested. */
  readonly cases: number;
  /** Reasons for which other cases did not fit, each once. */
  readonly unfit: readonly string[];
  /** The error of the smallest failing case; null if all passed. */
  readonly failure: unknown;
  /** Lines of the message about the failing case. */
  readonly lines: readonly string[];
}

/** Runs a property on a case. Returns the reason if the case does not fit, else null. Throws if the property fails. */
export async function runCase(
  check: Property,
  { model, config, inputs, values }: PropertyCase,
): Promise<string | null> {
  try {
    await check(model, config, { inputs, values });
    return null;
  } catch (error) {
    if (error instanceof UnfitError) return error.message;
    throw error;
  }
}

/** Returns the lines of a message that show a case, and the call that repeats it. */
export function linesOf(name: PropertyName, { model, config, inputs, values }: PropertyCase): string[] {
  const shown = (value: unknown) => JSON.stringify(value);
  const isData = typeof model === "object" && "architecture" in model;
  const options = { ...(isData && { inputs }), values };
  return [
    `  model:  ${isData ? shown(model) : "the given model"}`,
    `  config: ${shown(config)}`,
    `  repeat: await ${name}(model, config, ${shown(options)})`,
  ];
}

/** Returns the failure with the lines about its case. Errors of other classes become the cause. */
export function withLines(name: PropertyName, failure: unknown, lines: readonly string[]): PropertyError {
  if (failure instanceof PropertyError) return new PropertyError(failure, lines, failure);
  const detail = failure instanceof Error ? `it threw ${failure.name}: ${failure.message}` : `it threw ${failure}`;
  return new PropertyError({ code: "threw", property: name, detail }, lines, failure);
}
