/** Packages that are ES modules alone, and are asked for with require by packages that are not. */
const ES_ONLY = ['content-disposition', 'cookie', 'dom-serializer', 'domelementtype', 'domhandler', 'domutils', 'entities', 'htmlparser2'].join('|')
/** One run for the whole house; `e2e` needs real peers and is its own project. */
const shared = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['stox-source', 'node', 'require', 'default'] },
  transform: {
    [`/(?:${ES_ONLY})/.+\\.js$`]: ['@swc/jest', { jsc: { target: 'es2023' }, module: { type: 'commonjs' } }],
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }],
  },
  transformIgnorePatterns: [`/node_modules/(?!\\.pnpm/(?:${ES_ONLY})@|(?:${ES_ONLY})/)`],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'json', 'node'],
  extensionsToTreatAsEsm: [],
}
export default {
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/packages/*/test/**/*.test.ts', '<rootDir>/tools/test/**/*.test.ts'] },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/e2e/test/**/*.test.ts'] },
  ],
  testTimeout: 30_000,
}
