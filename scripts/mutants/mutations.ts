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

/**
 * Lists the changes of a file that keep its types: another operator, the other boolean, a number one larger, a condition
 * negated. Types, messages of errors and imports are left alone.
 */
export function mutationsOf(name: string, text: string): Mutation[] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found: Mutation[] = [];
  const add = (node: ts.Node, to: string) => {
    const start = node.getStart(file);
    const line = file.getLineAndCharacterOfPosition(start).line + 1;
    found.push({ line, start, end: node.getEnd(), from: node.getText(file), to });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isThrowStatement(node)) return;
    if (ts.isBinaryExpression(node)) {
      const to = operators[node.operatorToken.getText(file)];
      if (to !== undefined && !joinsTexts(node)) add(node.operatorToken, to);
    } else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, "false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, "true");
    else if (ts.isNumericLiteral(node)) add(node, `${Number(node.text) + 1}`);
    else if (ts.isIfStatement(node) && !hasOwnOperator(node.expression)) {
      add(node.expression, `!(${node.expression.getText(file)})`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** True for a `+` that joins strings. */
function joinsTexts({ left, right }: ts.BinaryExpression): boolean {
  return [left, right].some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));
}

/** True if another change of the condition negates it. */
function hasOwnOperator(node: ts.Expression): boolean {
  return ts.isBinaryExpression(node) && ["===", "!=="].includes(node.operatorToken.getText());
}

/** Returns the file with the change. */
export function mutated(text: string, { start, end, to }: Mutation): string {
  return text.slice(0, start) + to + text.slice(end);
}
