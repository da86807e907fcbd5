// Part of pnpm check: each public function that takes options, by the types of its parameters, must have a call in
// packages/lowrank/src/testing/optionCalls. A test checks that these calls reject unknown options.
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript-5";
import { optionCalls } from "../../packages/lowrank/src/testing/optionCalls/index.ts";

const root = resolve(import.meta.dirname, "../..");

/** Types of parameters that look like options but are values: the subject of a function. */
const values = [
  ..."Backend TensorSpec ModelFiles WritableFiles ByteSource Architecture OpDefinition".split(" "),
  ..."PeftMethod PromptMethod AnyMethod TrainableModel Batch SequenceBatch Rows TokenizerParts".split(" "),
  ..."Input EmbeddingModel TrainableModule ExampleTokenizer CacheSizes ShaderParts JobEnd JobProgress".split(" "),
  ..."PropertyFailure TextExample CompletionExample ChatExample PreferenceText".split(" "),
];

/** Ops that only optimisers and gradient rules call, with parameters that are not user options. */
const ofEngine = /Step(8bit)?$|Backward$/;

/** Public entries whose functions are called by kernels, with parameters of ops that have been checked before. */
const ofKernels = "@lowrank/core/backend";

interface Entry {
  readonly name: string;
  readonly file: string;
}

function publicEntries(): Entry[] {
  return globSync("packages/*/package.json", { cwd: root }).flatMap((path) => {
    const { name, exports } = JSON.parse(readFileSync(join(root, path), "utf8"));
    return Object.entries<string>(exports)
      .map(([key, file]) => ({ name: join(name, key), file: join(root, path, "..", file) }))
      .filter(({ name }) => name !== ofKernels && !name.includes("/internal"));
  });
}

function isValue(type: ts.Type): boolean {
  if (type.isIntersection()) return type.types.some(isValue);
  if (type.aliasSymbol?.name === "Pick") return isValue((type.aliasTypeArguments as readonly ts.Type[])[0]);
  return values.includes(type.aliasSymbol?.name ?? type.symbol?.name ?? "");
}

/** Returns a test for types of options: object types that a caller writes, with optional properties. */
function optionTypes(checker: ts.TypeChecker): (type: ts.Type) => boolean {
  const isOptions = (type: ts.Type): boolean => {
    if (isValue(type)) return false;
    if (type.isUnion()) return type.types.some(isOptions);
    if (!(type.isIntersection() || type.flags & ts.TypeFlags.Object)) return false;
    if (type.isClass() || checker.isArrayType(type) || checker.isTupleType(type)) return false;
    if (type.getCallSignatures().length > 0 || type.getConstructSignatures().length > 0) return false;
    if (type.symbol?.declarations?.some(ts.isClassDeclaration)) return false;
    const properties = type.getProperties().filter(isOurs);
    return (
      properties.some((p) => p.flags & ts.SymbolFlags.Optional) ||
      (properties.length > 0 && /Options$/.test(type.symbol?.name ?? ""))
    );
  };
  return isOptions;
}

function isOurs({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((declaration) => declaration.getSourceFile().fileName.startsWith(join(root, "packages")));
}

/** Returns the types of a parameter; for a rest parameter, the type of each element. */
function typesOf(checker: ts.TypeChecker, parameter: ts.Symbol): ts.Type[] {
  const type = checker.getNonNullableType(checker.getTypeOfSymbol(parameter));
  const { valueDeclaration: declaration } = parameter;
  if (!(declaration && ts.isParameter(declaration) && declaration.dotDotDotToken)) return [type];
  return (type.isUnion() ? type.types : [type]).flatMap((one) => checker.getTypeArguments(one as ts.TypeReference));
}

function isPublic(declaration: ts.Declaration): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  const name = ts.getNameOfDeclaration(declaration);
  return !(ts.getCombinedModifierFlags(declaration) & hidden) && !(name && ts.isPrivateIdentifier(name));
}

/** True if a superclass also has the method. */
function overrides(checker: ts.TypeChecker, owner: ts.ClassDeclaration, method: string): boolean {
  const above = owner.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types[0];
  return above !== undefined && checker.getPropertyOfType(checker.getTypeAtLocation(above), method) !== undefined;
}

/**
 * Returns the names of all public functions that take options: `sum`, `new Linear`, `Linear.create`,
 * `PeftModel#addAdapter`. A method is listed under the class that declares it first, without its overrides.
 */
function optionTakers(): string[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.check.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const entries = publicEntries();
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    options,
  );
  const checker = program.getTypeChecker();
  const isOptions = optionTypes(checker);
  const found = new Set<string>();
  const note = (name: string, signatures: readonly ts.Signature[]) => {
    const parameters = signatures.flatMap((signature) => signature.getParameters());
    const types = parameters.flatMap((parameter) => typesOf(checker, parameter));
    if (types.some((type) => isOptions(checker.getNonNullableType(type)))) found.add(name);
  };
  const noteMethods = (name: string, type: ts.Type) => {
    for (const method of type.getProperties()) {
      const declaration = method.valueDeclaration;
      const owner = declaration?.parent;
      if (!isOurs(method) || !owner || !ts.isClassDeclaration(owner) || overrides(checker, owner, method.name))
        continue;
      if (!isPublic(declaration)) continue;
      note(`${owner.name?.text}${name}${method.name}`, checker.getTypeOfSymbol(method).getCallSignatures());
    }
  };
  for (const { file } of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file) as ts.SourceFile) as ts.Symbol;
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const type = checker.getTypeOfSymbol(symbol);
      const isFunction = symbol.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Variable);
      if (isFunction && !ofEngine.test(exported.name)) {
        note(exported.name, type.getCallSignatures());
      }
      if (!(symbol.flags & ts.SymbolFlags.Class)) continue;
      const declaration = symbol.valueDeclaration as ts.ClassDeclaration;
      const isAbstract = ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Abstract;
      if (!isAbstract) note(`new ${exported.name}`, type.getConstructSignatures());
      noteMethods(".", type);
      noteMethods("#", checker.getDeclaredTypeOfSymbol(symbol));
    }
  }
  return [...found].sort();
}

const found = optionTakers();
const called = Object.keys(optionCalls).filter((name) => !name.includes(":"));
const problems = [
  ...found.filter((name) => !called.includes(name)).map((name) => `${name} takes options and is not called`),
  ...called.filter((name) => !found.includes(name)).map((name) => `${name} is called and takes no options`),
];
for (const problem of problems) console.error(`packages/lowrank/src/testing/optionCalls: ${problem}`);
console.log(`checkOptionTakers: ${found.length} functions, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
