/** Stable codes of template errors. */
export type TemplateErrorCode =
  | "TEMPLATE_SYNTAX"
  | "TEMPLATE_RAISED"
  | "TEMPLATE_UNDEFINED"
  | "TEMPLATE_TYPE"
  | "TEMPLATE_VALUE"
  | "TEMPLATE_SECURITY"
  | "TEMPLATE_LIMIT"
  | "TEMPLATE_UNSUPPORTED";

/** An error of a template: a syntax error, a runtime error, or an error raised by the template itself. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  readonly code: TemplateErrorCode;

  constructor(code: TemplateErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Returns an error that Python raises as `TypeError`. */
export const typeError = (message: string): TemplateError => new TemplateError("TEMPLATE_TYPE", message);

/** Returns an error that Python raises as `ValueError`, `OverflowError` or `ZeroDivisionError`. */
export const valueError = (message: string): TemplateError => new TemplateError("TEMPLATE_VALUE", message);
