import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const plugins = ['scope:kernel', 'scope:sdk', 'scope:sdk-nest'];
const core = ['scope:kernel', 'scope:storage', 'scope:barrier', 'scope:sdk', 'scope:core-api', 'scope:config'];

/** Who may import whom: the table of docs/architecture.md as a lint rule. */
const boundaries = [
  { sourceTag: 'scope:kernel', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'scope:raft', onlyDependOnLibsWithTags: ['scope:kernel'], bannedExternalImports: ['*'] },
  { sourceTag: 'scope:storage', onlyDependOnLibsWithTags: ['scope:kernel'] },
  { sourceTag: 'scope:storage-remote', onlyDependOnLibsWithTags: ['scope:kernel', 'scope:storage'] },
  { sourceTag: 'scope:barrier', onlyDependOnLibsWithTags: ['scope:kernel', 'scope:storage'] },
  { sourceTag: 'scope:cluster', onlyDependOnLibsWithTags: ['scope:kernel', 'scope:raft', 'scope:storage'] },
  { sourceTag: 'scope:sdk', onlyDependOnLibsWithTags: ['scope:kernel'], bannedExternalImports: ['*'] },
  { sourceTag: 'scope:sdk-nest', onlyDependOnLibsWithTags: ['scope:kernel', 'scope:sdk'] },
  { sourceTag: 'scope:core-api', onlyDependOnLibsWithTags: ['scope:kernel', 'scope:storage', 'scope:sdk'] },
  { sourceTag: 'scope:core-router', onlyDependOnLibsWithTags: core },
  { sourceTag: 'scope:core-service', onlyDependOnLibsWithTags: [...core, 'scope:core-router'] },
  { sourceTag: 'scope:pipeline', onlyDependOnLibsWithTags: [...core, 'scope:core-service', 'scope:core-router'] },
  { sourceTag: 'scope:plugin', onlyDependOnLibsWithTags: plugins },
  {
    sourceTag: 'scope:gateway',
    onlyDependOnLibsWithTags: ['scope:kernel', 'scope:sdk', 'scope:core-api', 'scope:pipeline'],
  },
  { sourceTag: 'scope:client', onlyDependOnLibsWithTags: ['scope:kernel'] },
  { sourceTag: 'scope:config', onlyDependOnLibsWithTags: ['scope:kernel'] },
  { sourceTag: 'scope:snapshot', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'scope:server', notDependOnLibsWithTags: ['scope:shell', 'scope:client'] },
  {
    sourceTag: 'scope:shell',
    onlyDependOnLibsWithTags: ['scope:kernel', 'scope:client', 'scope:config', 'scope:server', 'scope:snapshot'],
  },
  { sourceTag: 'scope:testing', onlyDependOnLibsWithTags: ['*'] },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'data/**', 'coverage/**', '.nx/**'] },
  ...tseslint.configs.strict.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    // Nest reads the types of constructor parameters at run time: such imports are not of types alone
    languageOptions: { parserOptions: { emitDecoratorMetadata: true, experimentalDecorators: true } },
    plugins: { '@nx': nx },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      'no-empty': ['error', { allowEmptyCatch: false }],
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: ['**/src/**/*.ts'],
    ignores: ['**/*.spec.ts', 'libs/testing/**'],
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { enforceBuildableLibDependency: false, allow: [], depConstraints: boundaries },
      ],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
          message: 'Use the Clock of @coffer/kernel.',
        },
        {
          selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
          message: 'Use the Random of @coffer/kernel.',
        },
        {
          selector: "CallExpression[callee.property.name='includes'][callee.object.property.name='message']",
          message: 'Tell errors apart by their code.',
        },
      ],
    },
  },
  {
    files: ['libs/kernel/src/clock.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  prettier,
);
