/** Names of the fields for which `warnOfHiddenField` has already printed its warning. */
const warned = new Set<string>();

/**
 * Warns that a module's field holds modules or parameters in a plain array, map or object, so that they are not
 * registered. Warns only once for each field.
 */
export function warnOfHiddenField(field: string, isModule: boolean, isArray: boolean): void {
  if (warned.has(field)) return;
  warned.add(field);
  const what = isModule ? "modules" : "parameters";
  const container = isArray ? "new ModuleList([...])" : "new ModuleDict({ ... })";
  const fix = isModule ? `use ${container}` : "give each parameter a field, or a module that holds it";
  console.warn(
    `nn: ${field} holds ${what} in a plain ${isArray ? "array" : "object, map or set"}, so they are neither trained nor saved; ${fix}. A private field (#${field.split(".")[1]}) hides them without this warning`,
  );
}
