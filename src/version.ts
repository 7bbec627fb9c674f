/** That of package.json; tests/cli.test.ts holds the two together. */
export const version = '0.1.0'
