import ts from "typescript-5";

/** One small change of a source file. */
export interface Mutation {
  /** Counted from 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly from: string;
  readonly to: string;
}

const operators: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "&&": "||",
  "||": "&&",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
};

/** A literal with more numeric literals than this is a table, such as the configurations of known models. */
const numbersOfTable = 8;

/**
 * Lists the changes of a file that keep its types: another operator, the other boolean, a number increased by one, a
 * negated condition. Types, error messages and imports are not changed. A table gets one change, of its first number,
 * so that tables do not outweigh code.
 */
export function mutationsOf(name: string, text: string): Mutation[] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found: Mutation[] = [];
  const add = (node: ts.Node, to: string) => {
    const start = node.getStart(file);
    const line = file.getLineAndCharacterOfPosition(start).line + 1;
    found.push({ line, start, end: node.getEnd(), from: node.getText(file), to });
  };
  const tables = new Map<ts.Node, number>();
  const visit = (node: ts.Node, table?: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isThrowStatement(node)) return;
    if (ts.isBinaryExpression(node)) {
      const to = operators[node.operatorToken.getText(file)];
      if (to !== undefined && !joinsTexts(node)) add(node.operatorToken, to);
    } else if (node.kind === ts.SyntaxKind.TrueKeyword) {
      if (!namesAnOption(node)) add(node, "false");
    } else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, "true");
    else if (ts.isNumericLiteral(node)) {
      const earlier = table === undefined ? 0 : (tables.get(table) ?? 0);
      if (table !== undefined) tables.set(table, earlier + 1);
      // A number of 2^53 or more may equal the next number.
      const larger = Number(node.text) + 1;
      if (earlier === 0 && larger !== Number(node.text)) add(node, `${larger}`);
    } else if (ts.isIfStatement(node) && !hasOwnOperator(node.expression)) {
      add(node.expression, `!(${node.expression.getText(file)})`);
    }
    const own = table ?? (isTable(node) ? node : undefined);
    ts.forEachChild(node, (child) => visit(child, own));
  };
  visit(file);
  return found;
}

/** True for an object or an array with many numeric literals that are not inside functions. */
function isTable(node: ts.Node): boolean {
  if (!ts.isObjectLiteralExpression(node) && !ts.isArrayLiteralExpression(node)) return false;
  let numbers = 0;
  const count = (child: ts.Node): void => {
    if (ts.isFunctionLike(child)) return;
    if (ts.isNumericLiteral(child)) numbers++;
    ts.forEachChild(child, count);
  };
  count(node);
  return numbers > numbersOfTable;
}

/** True for the `true` in a list of option names (`OptionKeys`), which would not compile as `false`. */
function namesAnOption(node: ts.Node): boolean {
  let list = node.parent;
  if (!ts.isPropertyAssignment(list)) return false;
  const isPartOfList = ({ parent }: ts.Node) =>
    [ts.isObjectLiteralExpression, ts.isSpreadAssignment, ts.isParenthesizedExpression, ts.isAsExpression].some((is) =>
      is(parent),
    );
  while (isPartOfList(list)) list = list.parent;
  const field = list.parent;
  if (ts.isPropertyAssignment(field) && field.name.getText() === "options") {
    return ts.isCallExpression(field.parent.parent) && field.parent.parent.expression.getText() === "defineOp";
  }
  const { parent } = list;
  if (ts.isCallExpression(parent)) return parent.expression.getText() === "checkOptions";
  return ts.isVariableDeclaration(parent) && (parent.type?.getText().startsWith("OptionKeys<") ?? false);
}

/** True for a `+` that concatenates strings. */
function joinsTexts({ left, right }: ts.BinaryExpression): boolean {
  return [left, right].some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));
}

/** True for `===` and `!==`, whose own mutation already negates the condition. */
function hasOwnOperator(node: ts.Expression): boolean {
  return ts.isBinaryExpression(node) && ["===", "!=="].includes(node.operatorToken.getText());
}

/** Returns the file with the change. */
export function mutated(text: string, { start, end, to }: Mutation): string {
  return text.slice(0, start) + to + text.slice(end);
}
