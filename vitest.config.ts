import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Node 20 has relaxed SIMD behind this flag only; later ones ignore it.
    execArgv: ['--experimental-wasm-relaxed-simd'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], exclude: ['src/wasm/simd128.ts', 'src/wasm/relaxed.ts'], reporter: ['text-summary', 'html'] },
  },
})
