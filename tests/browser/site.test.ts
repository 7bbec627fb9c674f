/** The page of site/ in the system's Chromium, as people use it: with a pointer, with keys, on a phone. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { avgPool2d, conv2d, convTranspose2d, createEngine, maxPool2d } from '../../src/index.js'
import { chromiumPath, chromiumRequired } from '../support/outside.js'
import { file, numberOf, ready, rewrite, says, Visits } from './visits.js'

const PANELS = ['filters', 'layer', 'network', 'train', 'bench', 'doctor']
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A picture of one gray level, or with an edge in its middle. */
function png(width: number, height: number, level: (x: number, y: number) => number): Buffer {
  const image = new PNG({ width, height })
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      image.data.set([...new Array(3).fill(level(x, y)), 255], (y * width + x) * 4)
  return PNG.sync.write(image)
}

describe.skipIf(!chromiumPath && !chromiumRequired)(
  `the page in ${chromiumPath ?? 'no browser'}`,
  { timeout: 240_000 },
  () => {
    const visits = new Visits()
    const visit = (hash?: string) => visits.visit(hash)
    beforeAll(() => visits.start(), 240_000)
    afterAll(() => visits[Symbol.asyncDispose]())

    it('has six experiments, each with its code, asks for nothing else and keeps the console quiet', async () => {
      const { page, complaints, panel } = await visit()
      expect(
        await page.locator('[data-panel]').evaluateAll((all) => all.map((e) => e.dataset['panel'])),
      ).toEqual(PANELS)
      for (const name of PANELS) {
        expect(await panel(name).isVisible()).toBe(true)
        expect(await panel(name).locator('textarea').inputValue()).toContain('show')
      }
      expect(await panel('network').locator('[data-layer]').count()).toBeGreaterThan(5)
      expect(await panel('doctor').locator('dd').first().textContent()).toMatch(/simd128|relaxed/)
      await page.waitForTimeout(500)
      expect(complaints).toEqual([])
      await page.close()
    })

    it('works from a file, as people send it to each other', async () => {
      const page = await visits.browser.newPage()
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(error.message))
      await page.goto(pathToFileURL(visits.index).href)
      await ready(page)
      expect(await page.locator('[data-layer]').count()).toBeGreaterThan(5)
      expect(complaints).toEqual([])
      await page.close()
    })

    describe('filters', () => {
      it('filters what it shows, works out the pixel under the pointer, and keeps it all in the address', async () => {
        const { page, complaints, panel } = await visit()
        const filters = panel('filters')
        const strong = filters.locator('[data-sum] strong')
        const cells = async (table: number) =>
          (await filters.locator('[data-sum] table').nth(table).locator('td').allTextContents()).map((text) =>
            Number(text.replace('−', '-')),
          )
        await filters.locator('[aria-label="Show filter 4"]').click()
        const field = filters.locator('[aria-label="Filter 4, row 1, column 1"]')
        await field.fill('3')
        await says(filters, /4 filters over 600 × 400 pixels: [\d.]+ ms/)
        const after = filters.locator('[data-after]')
        for (const position of [
          { x: 300, y: 150 },
          { x: 420, y: 120 },
        ]) {
          await after.hover({ position })
          const [window, filter, products] = [await cells(0), await cells(1), await cells(2)]
          expect(filter).toEqual([3, -2, -1, 0, 0, 0, 1, 2, 1])
          expect(products).toEqual(window.map((v, i) => v * filter[i]!))
          await expect
            .poll(() => numberOf(strong, 'data-number'))
            .toBeCloseTo(
              products.reduce((a, b) => a + b),
              2,
            )
        }
        await after.focus()
        const before = await filters.locator('[data-sum] p').textContent()
        await page.keyboard.press('ArrowRight')
        expect(await filters.locator('[data-sum] p').textContent()).not.toBe(before)
        await filters.locator('[data-split]').fill('75')
        expect(await after.evaluate((canvas) => canvas.style.clipPath)).toContain('75%')
        const sum = await filters.locator('[data-sum] p').textContent()
        await expect.poll(() => page.url()).toContain('split=75')
        expect(page.url()).toContain('filter4=3,-2,-1,0,0,0,1,2,1')

        const again = await visit(new URL(page.url()).hash)
        const restored = again.panel('filters')
        expect(await restored.locator('[aria-label="Filter 4, row 1, column 1"]').inputValue()).toBe('3')
        expect(await restored.locator('select').nth(3).inputValue()).toBe('Your own')
        expect(await restored.locator('[data-split]').inputValue()).toBe('75')
        expect(await restored.locator('[data-sum] p').textContent()).toBe(sum)
        await field.fill('x')
        await says(filters, /Filter 4 has a field that is no number: x/)
        expect([...complaints, ...again.complaints]).toEqual([])
        await page.close()
        await again.page.close()
      })

      it('takes photos, and says what to do about those that it cannot', async () => {
        const { page, complaints, panel } = await visit()
        const filters = panel('filters')
        const photo = filters.locator('[data-photo]')
        await photo.setInputFiles(
          file(
            'edge.png',
            png(40, 30, (x) => (x < 20 ? 0 : 200)),
          ),
        )
        await says(filters, /over 40 × 30 pixels/)
        // Sobel's filter at the edge: 4 x 200.
        await filters.locator('[aria-label="Show filter 3"]').click()
        const after = filters.locator('[data-after]')
        const box = (await after.boundingBox())!
        await after.hover({ position: { x: (20.5 / 40) * box.width, y: box.height / 2 } })
        expect(await numberOf(filters.locator('[data-sum] strong'), 'data-number')).toBeCloseTo(800, 1)
        expect(await filters.locator('[data-stack-size]').textContent()).toBe(
          'height 30 × width 40 × 4 channels',
        )

        await photo.setInputFiles(file('broken.png', png(40, 30, () => 7).subarray(0, 60)))
        await says(filters, /“broken.png” is no picture that this browser can read, or it is broken/)
        const huge = png(4, 4, () => 0)
        huge.writeUInt32BE(60_000, 16)
        huge.writeUInt32BE(50_000, 20)
        await photo.setInputFiles(file('huge.png', huge))
        await says(filters, /“huge.png” has 60000 × 50000 pixels.*Make it smaller first/)
        await filters.locator('[data-stage]').evaluate((stage) => {
          const dataTransfer = new DataTransfer()
          dataTransfer.setData('text/uri-list', 'https://example.com/photo.jpg')
          stage.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
        })
        await says(filters, /belongs to another site.*Save it to this machine first/)
        expect(complaints).toEqual([])
        await page.close()
      })

      it('tells what to do where the camera is refused, and filters its frames where it is not', async () => {
        const { page, complaints, panel } = await visit()
        const filters = panel('filters')
        const camera = filters.locator('[data-picture=camera]')
        await camera.click()
        await says(filters, /The camera was refused. To allow it/)
        await page.context().grantPermissions(['camera'], { origin: visits.site.origin })
        await camera.click()
        await says(filters, /4 filters over 480 × \d+ pixels/)
        const frame = () =>
          filters.locator('[data-before]').evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL())
        const first = await frame()
        await expect.poll(frame).not.toBe(first)
        await camera.click()
        expect(await camera.textContent()).toBe('Camera')
        await page.waitForTimeout(300)
        const still = await frame()
        await page.waitForTimeout(300)
        expect(await frame()).toBe(still)
        expect(complaints).toEqual([])
        await page.close()
      })

      it('runs the code as it is changed, and says what is wrong with it', async () => {
        const { page, complaints, panel } = await visit()
        const filters = panel('filters')
        await rewrite(filters, (code) => `${code}\nshow(maxPool2d(layer, { size: 2 }))`)
        await says(filters, /maxPool2d is not defined/)
        await rewrite(filters, (code) => code.replace("'filterbank/image'", "'fs'"))
        await says(filters, /There is no module 'fs' in this page; it has filterbank, /)
        await filters.locator('button', { hasText: 'Reset' }).click()
        await says(filters, /4 filters over/)
        await rewrite(filters, (code) => code.replace("padding: 'same'", "padding: 'same', strides: 2"))
        await says(filters, /conv2d: .*strides/)
        await rewrite(filters, (code) => code.replace('strides: 2', "activation: 'relu'"))
        await says(filters, /4 filters over/)
        // What was written last: the address follows a moment later.
        await expect.poll(() => page.url()).toMatch(/filters\.code=.*activation%3A\+%27relu%27/)
        const again = await visit(new URL(page.url()).hash)
        expect(await again.panel('filters').locator('textarea').inputValue()).toContain("activation: 'relu'")
        expect([...complaints, ...again.complaints]).toEqual([])
        await page.close()
        await again.page.close()
      })
    })

    it('layer: fills in the formula, computes what it says, and shows what a pixel is made of', async () => {
      const engine = await createEngine({ threads: 1 })
      const { page, complaints, panel } = await visit('#kind=convolution&stride=2&padding=99')
      const layer = panel('layer')
      const set = (name: string, value: number) => layer.locator(`[data-setting=${name}]`).fill(String(value))
      expect(await layer.locator('[data-setting=padding]').inputValue()).toBe('3')
      const numbers = async (place: string) => {
        const texts = await layer.locator(`${place} text`).allTextContents()
        const cells = await layer.locator(`${place} rect:not(.padding)`).count()
        return texts.length === cells ? texts.map((text) => Number(text.replace('−', '-'))) : cells
      }
      for (const [kind, size, window, stride, padding, dilation] of [
        ['convolution', 7, 3, 2, 1, 1],
        ['convolution', 9, 2, 1, 0, 3],
        ['maximum', 8, 2, 2, 0, 1],
        ['average', 8, 3, 2, 1, 1],
        ['transposed', 4, 3, 2, 1, 1],
      ] as const) {
        await layer.locator(`[data-choice=${kind}]`).click()
        await set('size', size)
        await set('window', window)
        await set('stride', stride)
        await set('padding', padding)
        if (kind !== 'average') await set('dilation', dilation)
        const given = { stride, padding }
        const wanted = engine.scope(() => {
          const y = {
            convolution: () =>
              conv2d(engine.zeros([1, size, size, 1]), engine.zeros([window, window, 1, 1]), {
                ...given,
                dilation,
              }),
            transposed: () =>
              convTranspose2d(engine.zeros([1, size, size, 1]), engine.zeros([window, window, 1, 1]), {
                ...given,
                dilation,
              }),
            maximum: () => maxPool2d(engine.zeros([1, size, size, 1]), { ...given, dilation, size: window }),
            average: () => avgPool2d(engine.zeros([1, size, size, 1]), { ...given, size: window }),
          }[kind]()
          return y.shape[1]
        })
        await expect.poll(() => numberOf(layer.locator('[data-length]'), 'data-length')).toBe(wanted)
        await expect.poll(() => layer.locator('[data-output] rect').count()).toBe(wanted! ** 2)
        await layer.locator('[data-output] rect[data-cell="1,1"]').hover()
        const explained = (await layer.locator('[data-explain]').textContent())!.replaceAll('−', '-')
        const [, terms, value] = /Row 2, column 2: (.*) = (-?[\d.]+)\. It sees/.exec(explained)!
        const sum = terms!.startsWith('the largest of')
          ? Math.max(...terms!.slice(14).split(',').map(Number))
          : new Function(`return ${terms!.replaceAll('·', '*')}`)()
        expect(Number(value)).toBeCloseTo(sum, 1)
        expect(await layer.locator('[data-input] rect.seen').count()).toBeGreaterThan(0)
        expect(await numbers('[data-output]')).toHaveLength(wanted! ** 2)
      }
      await layer.locator('[data-choice=convolution]').click()
      await set('size', 3)
      await set('window', 5)
      await set('padding', 0)
      await set('dilation', 2)
      await says(layer, /The window reaches over 9 pixels, and input and padding have 3/)
      await set('padding', 3)
      await says(layer, /^$/)
      await layer.locator('[data-output] svg').focus()
      await page.keyboard.press('ArrowLeft')
      await expect.poll(() => page.url()).toMatch(/size=3.*window=5|window=5.*size=3/)
      expect(complaints).toEqual([])
      await page.close()
      engine.dispose()
    })

    it('goes by keys alone through all of it', async () => {
      const { page } = await visit()
      await page.keyboard.press('Tab')
      expect(await page.evaluate('document.activeElement.textContent')).toContain('Skip')
      await page.keyboard.press('Enter')
      expect(await page.evaluate('document.activeElement.id')).toBe('filters')
      const reached = new Map<string, number>()
      for (let press = 0; press < 160; press++) {
        await page.keyboard.press('Tab')
        const at = (await page.evaluate(
          'document.activeElement === document.body ? "" : document.activeElement.closest("[data-panel]")?.dataset.panel ?? "page"',
        )) as string
        if (at === '' && reached.has('doctor')) break
        reached.set(at, (reached.get(at) ?? 0) + 1)
      }
      for (const name of PANELS) expect(reached.get(name), name).toBeGreaterThan(3)
      // What can be pressed or changed is reached, or stands in a group that arrows move in.
      const beyond =
        await page.evaluate(`[...document.querySelectorAll('[data-panel] :is(button, input, select, textarea)')]
        .filter((e) => e.tabIndex < 0 && e.getAttribute('role') !== 'radio').length`)
      expect(beyond).toBe(0)
      await page.locator('[data-choice=convolution]').focus()
      await page.keyboard.press('ArrowRight')
      expect(await page.locator('[data-choice=maximum]').getAttribute('aria-checked')).toBe('true')
      await page.close()
    })

    it('fits a phone and a desk, in light and dark, without a fault that axe finds', async () => {
      const { page, complaints } = await visit('#panel=train&theme=dark')
      expect(await page.evaluate('scrollY')).toBeGreaterThan(500)
      const ink = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
      const dark = await ink()
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        expect(
          await page.evaluate('document.documentElement.scrollWidth'),
          `${width} pixels`,
        ).toBeLessThanOrEqual(width)
        for (const theme of ['dark', 'light']) {
          await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`)
          await page.evaluate(axe)
          const faults =
            await page.evaluate(`axe.run().then(({ violations }) => violations.map(({ id, nodes }) =>
            id + ': ' + nodes.slice(0, 4).map(({ target, any }) => target + ' ' + (any[0]?.message ?? '')).join(' | ')))`)
          expect(faults, `${theme}, ${width} pixels`).toEqual([])
        }
      }
      expect(await ink()).not.toBe(dark)
      await page.locator('#theme').click()
      await expect.poll(() => page.url()).not.toContain('theme=dark')
      expect(complaints).toEqual([])
      await page.close()
    })
  },
)
