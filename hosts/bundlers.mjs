/** Bundlers as they come: each builds a user's page, which the system's Chromium opens. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openChromium, reportOf } from './browsers.mjs'
import { project } from './processes.mjs'
import { freePort, program, run, serve, start } from './tools.mjs'

const HTML = (script) =>
  `<!doctype html><html><head><meta charset="utf-8"><title>filterbank</title></head><body>${script}</body></html>\n`
const PAGE = `import { checkAll } from './checkAll.js'
globalThis.report = checkAll().catch(({ stack, message }) => ({ error: message + ' ' + stack }))
`

/**
 * A bundler whose command leaves a page's files in `built`, with the script under `script`, or with a page of
 * its own.
 */
const bundler = ({ name, packages, files = {}, commands, script }) => ({
  name,
  packages,
  async open({ folder, tools }) {
    const browser = await openChromium()
    const at = project(folder, tools)
    writeFileSync(join(at, 'page.js'), PAGE)
    writeFileSync(join(at, 'index.html'), HTML('<script type="module" src="./page.js"></script>'))
    for (const [path, text] of Object.entries(files)) writeFileSync(join(at, path), text)
    const act = async () => {
      for (const [command, ...args] of commands) await run(program(tools, command), args, { cwd: at })
      const texts = script && { '/index.html': HTML(script) }
      const site = await serve(join(at, 'built'), { texts })
      try {
        return reportOf(await browser.visit(`${site.origin}/`))
      } finally {
        site.close()
      }
    }
    const wanted = { threads: 'one' }
    return { version: packages[0].split('@').at(-1), ways: { '': { wanted, act } }, close: browser.close }
  },
})

const MODULE = '<script type="module" src="/page.js"></script>'
const DEFERRED = '<script defer src="/page.js"></script>'
/** webpack's and Rspack's are one. */
const CONFIGURATION = `export default {
  mode: 'production', entry: './page.js', performance: { hints: false },
  output: { path: import.meta.dirname + '/built', filename: 'page.js' },
}
`

const viteDev = {
  name: 'vite-dev',
  packages: ['vite@8.4.0'],
  async open({ folder, tools }) {
    const browser = await openChromium()
    const at = project(folder, tools)
    writeFileSync(join(at, 'page.js'), PAGE)
    writeFileSync(join(at, 'index.html'), HTML('<script type="module" src="./page.js"></script>'))
    const act = async () => {
      const port = await freePort()
      const answers = `http://127.0.0.1:${port}/`
      const args = ['--host=127.0.0.1', `--port=${port}`, '--strictPort']
      const server = await start(program(tools, 'vite'), args, { cwd: at, answers })
      try {
        // Vite may find a dependency late, prepare it and load the page anew.
        return reportOf(await browser.visit(answers).catch(() => browser.visit(answers)))
      } finally {
        server.stop()
      }
    }
    return { version: '8.4.0', ways: { '': { wanted: { threads: 'one' }, act } }, close: browser.close }
  },
}

export const bundlers = [
  bundler({
    name: 'webpack',
    packages: ['webpack@5.113.0', 'webpack-cli@7.3.1'],
    files: { 'webpack.config.mjs': CONFIGURATION },
    commands: [['webpack', '--config', 'webpack.config.mjs']],
    script: DEFERRED,
  }),
  bundler({
    name: 'rspack',
    packages: ['@rspack/core@2.3.4', '@rspack/cli@2.2.8'],
    files: { 'rspack.config.mjs': CONFIGURATION },
    commands: [['rspack', 'build', '--config', 'rspack.config.mjs']],
    script: DEFERRED,
  }),
  viteDev,
  bundler({
    name: 'vite-build',
    packages: ['vite@8.4.0'],
    commands: [['vite', 'build', '--outDir', 'built', '--logLevel', 'warn']],
  }),
  bundler({
    name: 'rollup',
    packages: ['rollup@4.68.8', '@rollup/plugin-node-resolve@16.0.3'],
    commands: [
      ['rollup', 'page.js', '-p', '@rollup/plugin-node-resolve', '-f', 'es', '-d', 'built', '--silent'],
    ],
    script: MODULE,
  }),
  bundler({
    name: 'esbuild',
    packages: ['esbuild@0.28.2'],
    commands: [
      [
        'esbuild',
        'page.js',
        '--bundle',
        '--minify',
        '--format=esm',
        '--splitting',
        '--outdir=built',
        '--log-level=warning',
      ],
    ],
    script: MODULE,
  }),
  bundler({
    name: 'parcel',
    packages: ['parcel@2.16.4'],
    commands: [['parcel', 'build', 'index.html', '--dist-dir', 'built', '--no-cache', '--log-level', 'warn']],
  }),
]
