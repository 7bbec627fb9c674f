import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Node 20 has relaxed SIMD behind this flag only; later ones ignore it.
    execArgv: ['--experimental-wasm-relaxed-simd'],
    globalSetup: 'tests/support/outside.ts',
    pool: 'forks',
    // Vitest leaves a core free by default, which is half of CI's.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A second, as it comes, is little on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      // The command line and the workers are tested in processes and threads of their own, where nobody counts.
      exclude: [
        'src/cli/**',
        'src/wasm/worker.ts',
        'src/wasm/{abi,simd128,relaxed,workerSource}.ts',
        'src/worker/{serve,served,filters,picture}.ts',
      ],
      reporter: ['text-summary', 'html'],
      thresholds: { lines: 95 },
    },
  },
})
