export * from './hcl/ast.ts';
export * from './hcl/parser.ts';
