/** Stable codes of errors in templates. */
export type TemplateErrorCode =
  | "TEMPLATE_SYNTAX"
  | "TEMPLATE_RAISED"
  | "TEMPLATE_UNDEFINED"
  | "TEMPLATE_TYPE"
  | "TEMPLATE_VALUE"
  | "TEMPLATE_SECURITY"
  | "TEMPLATE_LIMIT"
  | "TEMPLATE_UNSUPPORTED";

/** Error of a template: in its syntax, while it runs, or raised by the template itself. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  readonly code: TemplateErrorCode;

  constructor(code: TemplateErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An error that Python raises as `TypeError`. */
export const typeError = (message: string): TemplateError => new TemplateError("TEMPLATE_TYPE", message);

/** An error that Python raises as `ValueError`, `OverflowError` or `ZeroDivisionError`. */
export const valueError = (message: string): TemplateError => new TemplateError("TEMPLATE_VALUE", message);
