/** One jest run for the whole workspace: sources are transformed by swc, packages resolve to their sources. */
export default {
  roots: ['<rootDir>/libs', '<rootDir>/apps'],
  testMatch: ['**/*.spec.ts'],
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@coffer/source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  // A test that hangs ends; one on a busy machine does not.
  testTimeout: 60_000,
  coverageDirectory: 'coverage',
  // Production code, whether a spec loads it or not.
  collectCoverageFrom: [
    '{libs,apps}/**/src/**/*.ts',
    '!**/dist/**',
    '!**/*.{spec,fixture}.ts',
    '!**/index.ts',
    '!libs/testing/**',
  ],
  coverageReporters: ['text-summary', 'json-summary', 'html'],
  maxWorkers: 2,
};
