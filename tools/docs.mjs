/**
 * npm run docs: README, doc/ and the API reference as a static site that can be searched, in build/docs/site. The
 * interactive page is in it where `npm run site` has made it. VitePress and typedoc's Markdown are installed apart
 * from the package's own tools. A link that leads nowhere, to a page or a heading, ends it with an error.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { install, kept, program, root, run } from '../hosts/tools.mjs'

const PACKAGES = ['vitepress@1.6.4', 'vue@3.5.45', 'typedoc-plugin-markdown@4.14.1']
/** Beside the tools, whose packages its pages import. */
const source = join(kept, 'docs/source')
const site = join(root, 'build/docs/site')
/** What `npm run site` leaves. */
const page = join(root, 'site/dist')

/** The chapters of doc/, in the README's order, then what it does not name. */
const chapters = () => {
  const named = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\(doc\/([\w-]+)\.md[#)]/g)]
  const all = readdirSync(join(root, 'doc')).filter((name) => name.endsWith('.md'))
  return [...new Set([...named.map(([, name]) => name), ...all.map((name) => name.slice(0, -3))])]
}

/** A paper's heading. */
const title = (path) => /^# (.+)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? path

/** Pages of the reference, for each entry of the package: a kind of name, the names. */
function reference() {
  const folders = (path) =>
    readdirSync(path, { withFileTypes: true }).filter((each) => each.isDirectory() && each.name !== 'media')
  const api = join(source, 'api')
  return folders(api).map(({ name: entry }) => ({
    text: entry === 'index' ? 'filterbank' : `filterbank/${entry}`,
    link: `/api/${entry}/`,
    items: folders(join(api, entry)).map(({ name: kind }) => ({
      text: kind,
      collapsed: kind !== 'functions',
      items: readdirSync(join(api, entry, kind))
        .filter((name) => name.endsWith('.md'))
        .sort((a, b) => a.localeCompare(b))
        .map((name) => ({ text: name.slice(0, -3), link: `/api/${entry}/${kind}/${name.slice(0, -3)}` })),
    })),
  }))
}

/** Markdown and settings of the site. */
async function write(tools) {
  for (const folder of [source, site]) rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(source, '.vitepress'), { recursive: true })
  mkdirSync(join(source, 'public'))
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
  const plugins = ['./tools/pages.mjs', join(tools, 'node_modules/typedoc-plugin-markdown/dist/index.js')]
  await run(
    process.execPath,
    [
      ...[typedoc, ...plugins.flatMap((plugin) => ['--plugin', plugin]), '--out', join(source, 'api')],
      ...['--router', 'member', '--hidePageHeader', '--entryFileName', 'index', '--logLevel', 'Warn'],
    ],
    { cwd: root, seconds: 600 },
  )
  cpSync(join(root, 'README.md'), join(source, 'index.md'))
  for (const name of ['CHANGELOG.md', 'CONTRIBUTING.md', 'doc'])
    cpSync(join(root, name), join(source, name), { recursive: true })
  const shown = existsSync(page)
  if (shown) cpSync(page, join(source, 'public/page'), { recursive: true })
  const entries = reference()
  const settings = {
    title: 'filterbank',
    description: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).description,
    base: process.env.DOCS_BASE ?? '/',
    outDir: site,
    cacheDir: join(root, 'build/docs/cache'),
    themeConfig: {
      search: { provider: 'local' },
      nav: [
        { text: 'Guide', link: '/' },
        { text: 'API', link: '/api/' },
        ...(shown ? [{ text: 'Try it', link: '/page/index.html', target: '_self' }] : []),
      ],
      sidebar: {
        '/': [
          { text: 'filterbank', link: '/' },
          ...chapters().map((name) => ({
            text: title(join(source, 'doc', `${name}.md`)),
            link: `/doc/${name}`,
          })),
          { text: 'Changelog', link: '/CHANGELOG' },
          { text: 'Contributing', link: '/CONTRIBUTING' },
          { text: 'API', items: entries.map(({ text, link }) => ({ text, link })) },
        ],
        // Of one entry alone: each page holds what stands beside it.
        ...Object.fromEntries(entries.map((entry) => [entry.link, [{ text: 'API', link: '/api/' }, entry]])),
      },
    },
  }
  writeFileSync(
    join(source, '.vitepress/config.mjs'),
    `export default ${JSON.stringify(settings, null, 2)}\n`,
  )
}

/** Every link of the site's pages, to a file of the site and a heading that it has. */
function broken() {
  const files = readdirSync(site, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll(sep, '/'))
    .filter((path) => path.endsWith('.html') && !path.startsWith('page/'))
  const pages = new Map(files.map((path) => [path, readFileSync(join(site, path), 'utf8')]))
  const anchors = new Map(
    [...pages].map(([path, text]) => [
      path,
      new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)),
    ]),
  )
  const { pathname: base } = new URL(process.env.DOCS_BASE ?? '/', 'http://site')
  const found = []
  let links = 0
  for (const [path, text] of pages) {
    for (const [, link] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
      const { origin, pathname, hash } = new URL(link.replaceAll('&amp;', '&'), `http://site${base}${path}`)
      if (origin !== 'http://site') continue
      links++
      const to = decodeURIComponent(pathname.slice(base.length)) || 'index.html'
      const target = [to, `${to}.html`, posix.join(to, 'index.html')].find((each) =>
        existsFile(join(site, each)),
      )
      const anchor = decodeURIComponent(hash.slice(1))
      if (!target || (anchor && anchors.has(target) && !anchors.get(target).has(anchor)))
        found.push(`${path}: ${link}`)
    }
  }
  return { found, links, pages: pages.size }
}

const existsFile = (path) => existsSync(path) && statSync(path).isFile()

process.chdir(root)
const tools = await install('docs', PACKAGES, ['--legacy-peer-deps'])
await write(tools)
await run(program(tools, 'vitepress'), ['build', source], { cwd: tools, seconds: 600 })
const { found, links, pages } = broken()
for (const each of [...new Set(found)].slice(0, 50)) console.error(`leads nowhere: ${each}`)
console.log(
  `${relative(root, site)}: ${pages} pages, ${links} links, ${new Set(found).size} of them lead nowhere`,
)
if (found.length) process.exitCode = 1
