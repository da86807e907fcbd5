import { Ajv, type ErrorObject, type Options } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { SuiteError } from "../shared/suiteError.ts";

const options: Options = { allErrors: true, strictTypes: false, strictTuples: false, strictRequired: false };

/**
 * Returns a function that lists the problems of an answer: invalid JSON, or each value that breaks the schema.
 *
 * @throws `SuiteError` for a schema that is invalid, has an unknown keyword, or names a format.
 */
export async function jsonSchema(
  schema: object,
  path: readonly (string | number)[],
): Promise<(answer: string) => string[]> {
  const { $schema = "", $async } = schema as { $schema?: unknown; $async?: unknown };
  if ($async) throw new SuiteError([...path, "$async"], "is true; asynchronous schemas are not supported, remove it");
  const ajv = /draft-0[67]/.test(String($schema)) ? new Ajv(options) : new Ajv2020(options);
  const compiled = () => {
    try {
      return ajv.compile<unknown>(schema);
    } catch (error) {
      const { message } = error as Error;
      const advice = /^unknown format/.test(message) ? "formats are not checked, use pattern" : "correct the schema";
      throw new SuiteError(path, `${message}; ${advice}`);
    }
  };
  const validate = compiled();
  return (answer) => {
    let value: unknown;
    try {
      value = JSON.parse(answer);
    } catch (error) {
      return [`the answer is not JSON: ${(error as Error).message}`];
    }
    return validate(value) ? [] : (validate.errors ?? []).map(described);
  };
}

function described({ instancePath, message = "is invalid", params }: ErrorObject): string {
  const { additionalProperty, allowedValues } = params as { additionalProperty?: string; allowedValues?: unknown[] };
  const more = additionalProperty ?? allowedValues?.map((value) => JSON.stringify(value)).join(", ");
  return `${instancePath || "the answer"} ${message}${more === undefined ? "" : `: ${more}`}`;
}
